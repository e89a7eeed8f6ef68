"""What the access standard says in words, in Chinese and English: what stands in it, and how a device is connected. The
numbers come from the code that enforces them."""

from api.dictionary_devices import Words
from devices.codecs.telemetry import MOST_PAYLOAD_BYTES, MOST_READINGS
from devices.topics import Kind

TITLE: Words = ("燃气安全装置接入标准", "The access standard for gas-safety devices")
ABOUT: Words = (
    "公开，无需账号。由软件自身的代码生成，与所运行的软件一致。",
    "Public, and needs no account. It is made from the code of the software, and says what that does.",
)

#: Path below /v1/public/standard, media type, what it is.
DOCUMENTS: tuple[tuple[str, str, Words], ...] = (
    (
        "openapi.json",
        "application/json",
        (
            "全部 HTTP 接口（OpenAPI 3.1）：请求、应答、示例、每一种错误",
            "The whole HTTP API (OpenAPI 3.1): requests, answers, examples, every error",
        ),
    ),
    (
        "asyncapi.json",
        "application/json",
        (
            "设备接入协议（AsyncAPI 3.0）：MQTT 主题、报文、指令",
            "How devices speak (AsyncAPI 3.0): topics of MQTT, messages, commands",
        ),
    ),
    (
        "dictionary",
        "application/json",
        (
            "数据字典：测量量及单位、字段、状态与代码；lang=zh 或 en",
            "The data dictionary: quantities with units, fields, states and words; lang=zh or en",
        ),
    ),
)

_TOPIC = "davy/v1/{vendor}/{serial}/"

#: How a device is connected, step by step.
CONNECTING: tuple[Words, ...] = (
    (
        "设备身份为 `vendor/serial`。厂商登记待认领（`POST /v1/claims/offers`）并经认领批准，"
        "或由燃气企业登记后，令牌只显示一次；未登记的设备一律拒绝。",
        "A device is `vendor/serial`. Its token is shown once: when a claim of a device that its vendor offered"
        " (`POST /v1/claims/offers`) is approved, or when a gas company registers it. What is not registered is"
        " refused.",
    ),
    (
        f"MQTT 3.1.1 或 5：用户名为设备身份，密码为令牌；也可用客户端证书。发布 `{_TOPIC}{Kind.TELEMETRY}`，"
        f"订阅 `{_TOPIC}{Kind.COMMAND}`，应答 `{_TOPIC}{Kind.REPLY}`。用 QoS 1。",
        "MQTT 3.1.1 or 5: the user name is the identity, the password the token, or a client certificate. Publish"
        f" `{_TOPIC}{Kind.TELEMETRY}`, subscribe to `{_TOPIC}{Kind.COMMAND}`, answer on `{_TOPIC}{Kind.REPLY}`."
        " Use QoS 1.",
    ),
    (
        "HTTP：`POST /v1/telemetry/{vendor}/{serial}`，`Authorization: Bearer <令牌>`。",
        "HTTP: `POST /v1/telemetry/{vendor}/{serial}` with `Authorization: Bearer <token>`.",
    ),
    (
        f"一次最多 {MOST_READINGS} 条读数、{MOST_PAYLOAD_BYTES} 字节；整批保存或整批拒绝。",
        f"At most {MOST_READINGS} readings and {MOST_PAYLOAD_BYTES} bytes at a time; stored or refused as a whole.",
    ),
    (
        "收到 PUBACK（HTTP 为 200）即表示已写入磁盘；在此之前设备不得删除读数，应重发。",
        "A PUBACK (HTTP: 200) means that it is on disk. Until then a device keeps its readings and sends them again.",
    ),
    (
        "每条读数带 `boot`（每次启动加一）与 `seq`（每条加一），重发不会重复计入。",
        "Send `boot` (grows by one at each start) and `seq` (by one with each reading): sent again, it counts once.",
    ),
    (
        "指令过期（`expires`）后不得执行；`epoch` 小于已见过的，忽略。应答须写明阀门实际位置。没有开阀的指令。",
        "A command must not be run after it `expires`, nor one with a lower `epoch` than was seen. The reply says where"
        " the valve really stands. There is no command that opens a valve.",
    ),
    (
        "接入为监控层：经认证的探测器与硬线联动的阀门仍是安全功能本身。",
        "This is a supervisory layer: the certified detector and its wired valve remain the safety function.",
    ),
)

#: Headings of the page.
HEADINGS: dict[str, Words] = {
    "documents": ("文件", "Documents"),
    "connecting": ("如何接入", "How a device is connected"),
    "quantities": ("测量量", "Quantities"),
    "fields": ("读数的字段", "Fields of a reading"),
    "name": ("名称", "Name"),
    "unit": ("单位（UCUM）", "Unit (UCUM)"),
    "lowest": ("最小", "Lowest"),
    "highest": ("最大", "Highest"),
    "meaning": ("含义", "Meaning"),
    "sent": ("设备发送", "Sent by devices"),
    "word": ("代码", "Word"),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
}
