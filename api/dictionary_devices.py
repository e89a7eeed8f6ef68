"""What the words of devices and readings mean, in Chinese and English. A test fails for a word that has none."""

from enum import Enum

from devices.commands import Verb
from devices.models import DeviceKind
from devices.quantities import Flag, Quality, ValveCause, ValvePosition

#: What a word means: in Chinese, in English.
Words = tuple[str, str]
Q, V, C, F = Quality, ValvePosition, ValveCause, Flag

QUANTITY_WORDS: dict[str, Words] = {
    "combustible_lel": (
        "可燃气体浓度，以爆炸下限的百分数计",
        "Combustible gas, as a share of the lower explosive limit",
    ),
    "co_ppm": ("一氧化碳浓度（体积分数，百万分之一）", "Carbon monoxide, parts per million by volume"),
    "pressure_kpa": ("表压", "Gauge pressure"),
    "flow_m3h": ("体积流量", "Volume flow"),
    "temperature_c": ("温度", "Temperature"),
    "humidity_pct": ("相对湿度", "Relative humidity"),
    "battery_pct": ("电池剩余电量", "Charge that is left in the battery"),
    "rssi_dbm": ("接收信号强度", "Strength of the received signal"),
}

#: Fields of a reading that are no quantity and no flag: what a device sends, and what is shown of it.
FIELD_WORDS: dict[str, Words] = {
    "ts": (
        "测量时间。设备发送：1970 年起的毫秒数，或带时区的 RFC 3339；"
        "平台给出：有效时间（设备时钟可信时取设备时间，否则取接收时间）",
        "When it was measured. Sent: milliseconds since 1970 UTC, or RFC 3339 with its offset. Shown: effective time, "
        "the device's where its clock can be believed, else `received`",
    ),
    "boot": ("设备启动次数，每次启动加一", "Grows by one at each start of the device"),
    "seq": ("读数序号，每条读数加一", "Grows by one with each reading"),
    "first": (
        "本次启动中设备仍保存的最早序号",
        "The oldest number of this boot that the device still holds",
    ),
    "received": ("平台收到的时间", "When Davy received it"),
    "device_ts": ("设备所报的时间，原样", "The time that the device said, as it said it"),
    "flags": ("设备与平台所置的标志", "Flags that the device or Davy set"),
    "valve": ("阀门位置", "Where the valve stands"),
    "valve_cause": ("阀门关闭的原因", "Why the valve closed"),
    "quality": ("各测量量是否可信及其原因", "Of each quantity, why it may or may not be believed"),
    "extra": ("设备另外发送的内容：保存，不参与判断", "What else the device sent: stored, never judged"),
}

DEVICE_WORDS: dict[type[Enum], tuple[str, Words, dict[Enum, Words]]] = {
    Quality: (
        "quality",
        ("数据质量：为何可信或不可信", "Why a value may or may not be believed"),
        {
            Q.GOOD: ("可信", "To be believed"),
            Q.NOT_MEASURED: ("未测量", "Not measured"),
            Q.OUT_OF_RANGE: ("超出物理上可能的范围，数值不保存", "Physically impossible; the number is not kept"),
            Q.SENSOR_FAULT: ("传感器故障", "The sensor has a fault"),
            Q.WARM_UP: ("预热中", "The sensor is warming up"),
            Q.INHIBITED: ("现场已屏蔽（检修、标定）", "Inhibited on site: maintenance, calibration"),
            Q.STALE: ("并非当前值", "Not a value of now"),
            Q.SENTINEL: ("设备以特定值表示无有效值", "A number by which the device says that it has none"),
        },
    ),
    ValvePosition: (
        "valve",
        ("阀门位置", "Where a valve was seen to stand"),
        {
            V.UNKNOWN: ("未知", "Not known"),
            V.OPEN: ("开", "Open"),
            V.OPENING: ("正在打开", "On its way to open"),
            V.CLOSED: ("关", "Closed"),
            V.CLOSING: ("正在关闭", "On its way to closed"),
            V.FAULT: ("阀门故障", "The valve has a fault"),
            V.NONE: ("没有阀门", "There is no valve"),
        },
    ),
    ValveCause: (
        "valve_cause",
        ("阀门关闭的原因（由设备报告）", "Why a valve closed, as the device says"),
        {
            C.UNKNOWN: ("未知", "Not known"),
            C.ALARM: ("燃气报警", "Gas alarm"),
            C.OVER_PRESSURE: ("超压", "Pressure too high"),
            C.UNDER_PRESSURE: ("欠压", "Pressure too low"),
            C.OVER_FLOW: ("过流", "Flow too high"),
            C.SUPPLY_LOSS: ("供气中断", "The supply of gas was lost"),
            C.MANUAL: ("手动", "By hand"),
            C.REMOTE: ("远程指令", "By command"),
            C.POWER_LOSS: ("断电", "Its power was lost"),
            C.SELF_TEST: ("自检", "It tested itself"),
        },
    ),
    Flag: (
        "flag",
        (
            "标志：低位十一个由设备发送，其余由平台设置",
            "Flags: `low_alarm` to `backfill` are a device's, the rest Davy's",
        ),
        {
            F.LOW_ALARM: ("设备低限报警", "The device's low gas alarm"),
            F.HIGH_ALARM: ("设备高限报警", "The device's high gas alarm"),
            F.CO_ALARM: ("设备一氧化碳报警", "The device's carbon monoxide alarm"),
            F.FAULT: ("设备故障", "The device has a fault"),
            F.WARM_UP: ("预热中", "It is warming up"),
            F.INHIBIT: ("现场已屏蔽", "It is inhibited on site"),
            F.END_OF_LIFE: ("传感器寿命到期", "Its sensor is past its life"),
            F.TAMPER: ("被拆动", "Somebody tampers with it"),
            F.MAINS_LOSS: ("市电断电", "Mains power is lost"),
            F.SELF_TEST: ("自检中：不是真实报警", "It tests itself: this is no real alarm"),
            F.BACKFILL: ("补传的历史读数", "Sent later, from the device's memory"),
            F.SIMULATED: ("模拟设备", "Of a simulated device"),
            F.LATE: ("迟到的读数", "Came late"),
            F.SUSPECT_CLOCK: ("设备时钟不可信", "The device's clock cannot be believed"),
            F.NO_IDENTITY: ("既无序号也无时间，可能重复", "Sent without number and time: it may be here twice"),
            F.HASHED: ("序号由内容生成，只能去重，不能排序", "`seq` is made from the content: it orders nothing"),
            F.STALE: ("当时设备并未真正应答", "The device itself was not heard then"),
        },
    ),
    DeviceKind: (
        "device_kind",
        ("设备种类", "Kinds of devices"),
        {
            DeviceKind.DETECTOR: ("探测器", "Measures gas"),
            DeviceKind.SHUT_OFF_VALVE: ("紧急切断阀，接受关闭指令", "A valve that takes the command to close"),
            DeviceKind.SELF_CLOSING_VALVE: (
                "自闭阀（CJ/T 447），无需电源，人工开启，只上报",
                "Closes without power, is opened by hand, and only reports (CJ/T 447)",
            ),
            DeviceKind.GATEWAY: ("网关", "Speaks for the devices behind it"),
            DeviceKind.FAN: ("风机", "A fan"),
        },
    ),
    Verb: (
        "command",
        ("指令：没有开阀的指令", "Commands. There is none that opens a valve"),
        {
            Verb.CLOSE: ("关阀", "Close the valve"),
            Verb.PERMIT_OPEN: ("允许现场人员手动开阀", "A person on site may open it by hand"),
            Verb.FAN_ON: ("启动风机", "Run the fan"),
        },
    ),
}
