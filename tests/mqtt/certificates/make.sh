#!/bin/sh
# Makes the test certificates anew: one authority, the server `localhost`, the device `acme/d1`, a name nobody
# registered, and a device of another authority. Needs openssl; the tests do not.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >ca.cnf <<'CNF'
[any]
subjectAltName = DNS:localhost, IP:127.0.0.1
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[ca]
default_ca = here
[here]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = names
unique_subject = no
[names]
commonName = supplied
CNF
issue() { # name, subject, extensions, how it is signed
    name=$1 subject=$2 extensions=$3
    shift 3
    [ -f "$name.key" ] || openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
    openssl req -new -key "$name.key" -subj "$subject" -out part.csr
    : >index
    [ -f serial ] || echo 1000 >serial
    openssl ca -batch -notext -config ca.cnf -startdate 20200101000000Z -enddate 21200101000000Z \
        -extensions "$extensions" -in part.csr -out "$name.pem" "$@"
}
for authority in authority other; do
    openssl ecparam -name prime256v1 -genkey -noout -out $authority.key
    issue $authority "/CN=test $authority" authority -selfsign -keyfile $authority.key
done
# In a subject "/" separates, so that of vendor/serial is escaped.
issue server "/CN=localhost" any -cert authority.pem -keyfile authority.key
issue device "/CN=acme\/d1" any -cert authority.pem -keyfile authority.key
issue nobody "/CN=acme\/nobody" any -cert authority.pem -keyfile authority.key
issue stranger "/CN=acme\/d1" any -cert other.pem -keyfile other.key
for name in server device nobody stranger; do
    cat $name.pem $name.key >"$here/$name.pem"
done
cp authority.pem "$here/authority.pem"
