#!/bin/sh
# What an app does with its license, with curl: validate, activate, read entitlements, beat, check out a license file, leave.
# The same as app.rs, request by request. examples/vendor.sh prints the variables that it reads.
#
# Needs curl, sed, awk and base64. With openssl 3 it also verifies every response, the license key and the
# license file; without, it says so.
set -eu
: "${KEYGEN_API_URL:?the address of the server, such as http://127.0.0.1:8080}"
: "${KEYGEN_ACCOUNT:?the slug or id of the account}"
: "${KEYGEN_PRODUCT:?the id of the product}"
: "${KEYGEN_PUBLIC_KEY:?the Ed25519 public key of the account, 64 hexadecimal digits}"
: "${KEYGEN_LICENSE_KEY:?the license key}"

KEYGEN_API_URL=${KEYGEN_API_URL%/}
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
path=/v1/accounts/$KEYGEN_ACCOUNT
host=${KEYGEN_API_URL#*://}

say() { printf '%-12s %s\n' "$1" "$2"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# member NAME: a string member of the answer; id: the id of its resource. The server writes compact JSON, `data.id` first.
member() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p' "$files/body"; }
id() { sed -n 's/^{"data":{"id":"\([^"]*\)".*/\1/p' "$files/body"; }
header() { tr -d '\r' <"$files/head" | awk -v name="$1:" 'tolower($1) == name { sub(/^[^:]*: */, ""); print }'; }

# --- Signatures: Ed25519 over a text, by openssl.

# The public key in the form that openssl reads: a fixed prefix and the 32 bytes.
pairs=$(printf '302a300506032b6570032100%s' "$KEYGEN_PUBLIC_KEY" | sed 's/../& /g')
for pair in $pairs; do
  # shellcheck disable=SC2059 # the format is the byte
  printf "\\$(printf '%03o' "0x$pair")"
done >"$files/public.der"

# genuine SIGNATURE: was the text in $files/signed signed by the account?
genuine() {
  printf '%s' "$1" | base64 -d >"$files/signature"
  openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey "$files/public.der" \
    -sigfile "$files/signature" -in "$files/signed" >/dev/null 2>&1
}

if openssl pkeyutl -help 2>&1 | grep -q rawin; then verify=yes; else verify=no; fi
[ $verify = yes ] || printf '%s\n' 'no openssl that knows Ed25519: signatures are not verified' >&2

# Is the answer the server's answer to this very request? (https://keygen.sh/docs/api/signatures/)
check_answer() {
  digest="sha-256=$(openssl dgst -sha256 -binary "$files/body" | base64 | tr -d '\n')"
  [ "$digest" = "$(header keygen-digest)" ] || fail "$1 $2: the body was changed on the way"
  printf '(request-target): %s %s\nhost: %s\ndate: %s\ndigest: %s' \
    "$(printf '%s' "$1" | tr '[:upper:]' '[:lower:]')" "$2" "$host" "$(header keygen-date)" "$digest" >"$files/signed"
  genuine "$(header keygen-signature | sed 's/.*signature="\([^"]*\)".*/\1/')" || fail "$1 $2: not signed by the vendor"
}

# call METHOD PATH [JSON]: the answer goes to $files/body and $files/head, its status to $status.
call() {
  status=$(curl -sS -X "$1" "$KEYGEN_API_URL$path$2" -o "$files/body" -D "$files/head" -w '%{http_code}' \
    -H "Authorization: License $KEYGEN_LICENSE_KEY" \
    -H 'Accept: application/vnd.api+json' \
    -H 'Content-Type: application/vnd.api+json' ${3:+--data "$3"}) || fail 'The licensing server cannot be reached.'
  if [ $verify = yes ]; then check_answer "$1" "$path$2"; fi
}
must() {
  call "$@"
  case $status in 2*) ;; *) fail "$1 $2: $status $(member code): $(member detail)" ;; esac
}

# --- The app.

# What tells this machine from others, without saying which it is.
fingerprint=$(cat /etc/machine-id 2>/dev/null || hostname)
fingerprint=$(printf '%s' "${KEYGEN_FINGERPRINT:-$fingerprint}" | { sha256sum 2>/dev/null || shasum -a 256; } | cut -c 1-64)

# 1. Even before the first request: a signed key, `key/{dataset}.{signature}`, proves itself.
case $KEYGEN_LICENSE_KEY in
  key/*.*)
    dataset=${KEYGEN_LICENSE_KEY%.*}
    printf '%s' "$dataset" >"$files/signed"
    if [ $verify = yes ]; then
      genuine "$(printf '%s' "${KEYGEN_LICENSE_KEY##*.}" | tr -- '-_' '+/')" || fail 'The license key is a forgery.'
    fi
    say key "signed: $(printf '%s' "${dataset#key/}" | tr -- '-_' '+/' | base64 -d)" ;;
  *) say key 'not signed' ;;
esac

# 2. May the app run here?
validate() {
  must POST /licenses/actions/validate-key '{"meta":{"key":"'"$KEYGEN_LICENSE_KEY"'",
    "scope":{"product":"'"$KEYGEN_PRODUCT"'","fingerprint":"'"$fingerprint"'"}}}'
  # `valid` is the verdict; the code says why. `meta` is the last member of the answer.
  valid=$(sed -n 's/.*"meta":{"ts":"[^"]*","valid":\([a-z]*\),.*/\1/p' "$files/body")
  say validation "$(member code): $(member detail)"
}
validate
license=$(id)
case $valid/$(member code) in
  true/*)
    must GET "/machines/$fingerprint"
    machine=$(id) ;;
  */NO_MACHINE | */NO_MACHINES | */FINGERPRINT_SCOPE_MISMATCH)
    must POST /machines '{"data":{"type":"machines",
      "attributes":{"fingerprint":"'"$fingerprint"'","hostname":"'"$(hostname)"'","platform":"'"$(uname -s)"'"},
      "relationships":{"license":{"data":{"type":"licenses","id":"'"$license"'"}}}}}'
    machine=$(id)
    say activated "$machine"
    validate
    [ "$valid" = true ] || fail "The license $(member detail)." ;;
  *) fail "The license $(member detail)." ;;
esac

# 3. What may it do?
must GET "/licenses/$license/entitlements?limit=100"
say entitlements "$(grep -o '"code":"[^"]*"' "$files/body" | sed 's/"code":"\(.*\)"/\1/' | tr '\n' ' ' | sed 's/ $//')"

# 4. The machine is alive. An app goes on, a little more often than every `heartbeatDuration` seconds.
must POST "/machines/$machine/actions/ping"
say heartbeat "$(member heartbeatStatus)"

# 5. A file for a week without network. (Encrypted ones need AES-256-GCM, which openssl's command line lacks: see app.rs.)
must GET "/licenses/$license/actions/check-out?ttl=604800&include=entitlements"
cp "$files/body" "$files/license.lic"

# 6. The next start, offline: the file is base64 of {"enc":…,"sig":…,"alg":…}, and `license/{enc}` is what was signed.
sed -e '/^-----/d' "$files/license.lic" | tr -d '\n' | base64 -d >"$files/body"
encoded=$(member enc)
if [ $verify = yes ]; then
  printf 'license/%s' "$encoded" >"$files/signed"
  genuine "$(member sig)" || fail 'The license file is a forgery.'
fi
algorithm=$(member alg)
printf '%s' "$encoded" | base64 -d >"$files/body"
expiry=$(sed -n 's/.*"meta":{"issued":"[^"]*","expiry":"\([^"]*\)".*/\1/p' "$files/body")
say license.lic "$algorithm; license $(id), until $expiry"

# 7. Uninstalled: the seat is free again.
must DELETE "/machines/$machine"
say deactivated "$status"
