#!/bin/sh
# The vendor's side with curl: a product, a policy, an entitlement and a license, made with the administrator's token.
# Prints the variables that app.sh and app.rs read, so that this sets them:
#
#   export KEYGEN_API_URL=http://127.0.0.1:8080 KEYGEN_ACCOUNT=default KEYGEN_ADMIN_TOKEN=admin-…
#   eval "$(examples/vendor.sh)"
#
# Needs curl, sed and base64. Progress goes to standard error.
set -eu
: "${KEYGEN_API_URL:?the address of the server, such as http://127.0.0.1:8080}"
: "${KEYGEN_ACCOUNT:?the slug or id of the account, as the server printed it on its first start}"
: "${KEYGEN_ADMIN_TOKEN:?the administrator's token, as the server printed it on its first start}"

KEYGEN_API_URL=${KEYGEN_API_URL%/}
api=$KEYGEN_API_URL/v1/accounts/$KEYGEN_ACCOUNT

say() { printf '%s\n' "$*" >&2; }

# call METHOD PATH [JSON]: the body of the answer; 4xx and 5xx end the script.
call() {
  answer=$(curl -sS -X "$1" "$api$2" -w '\n%{http_code}' \
    -H "Authorization: Bearer $KEYGEN_ADMIN_TOKEN" \
    -H 'Accept: application/vnd.api+json' \
    -H 'Content-Type: application/vnd.api+json' ${3:+--data "$3"}) || exit 1
  status=$(printf '%s\n' "$answer" | tail -n 1)
  body=$(printf '%s\n' "$answer" | sed '$d')
  case $status in
    2*) printf '%s\n' "$body" ;;
    *) say "$1 $2: $status $body"; return 1 ;;
  esac
}

# The id of the resource in a document. The server writes compact JSON with `data.id` first.
id() { sed -n 's/^{"data":{"id":"\([^"]*\)".*/\1/p'; }

# member NAME: a string member anywhere in a document.
member() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }

product=$(call POST /products '{"data":{"type":"products","attributes":{"name":"Example"}}}')
product=$(printf '%s' "$product" | id)
say "product      $product"

# Two seats for a year. LICENSE lets apps authenticate with the license key; ED25519_SIGN makes keys that can be verified
# offline; `strict` makes a validation look at the machines.
policy=$(call POST /policies '{"data":{"type":"policies",
  "attributes":{"name":"Two seats","authenticationStrategy":"LICENSE","scheme":"ED25519_SIGN","duration":31556952,
    "floating":true,"strict":true,"maxMachines":2,"heartbeatDuration":3600},
  "relationships":{"product":{"data":{"type":"products","id":"'"$product"'"}}}}}')
policy=$(printf '%s' "$policy" | id)
say "policy       $policy"

# An entitlement is shared by all products, so it may be there from an earlier run.
if entitlement=$(call GET /entitlements/EXPORT 2>/dev/null); then :; else
  entitlement=$(call POST /entitlements '{"data":{"type":"entitlements","attributes":{"name":"Export","code":"EXPORT"}}}')
fi
entitlement=$(printf '%s' "$entitlement" | id)
call POST "/policies/$policy/entitlements" '{"data":[{"type":"entitlements","id":"'"$entitlement"'"}]}' >/dev/null
say "entitlement  $entitlement EXPORT"

# What the key says is up to the vendor; words in double braces are filled in. Without `key` it says everything.
license=$(call POST /licenses '{"data":{"type":"licenses",
  "attributes":{"name":"Ada Lovelace","key":"{\"id\":\"{{id}}\",\"seats\":2,\"expiry\":\"{{expiry}}\"}"},
  "relationships":{"policy":{"data":{"type":"policies","id":"'"$policy"'"}}}}}')
key=$(printf '%s' "$license" | member key)
say "license      $(printf '%s' "$license" | id), until $(printf '%s' "$license" | member expiry)"

# The Ed25519 public key, with which apps verify keys, files and responses.
account=$(call GET '')
public_key=$(printf '%s' "$account" | member ed25519 | base64 -d)

cat <<END
export KEYGEN_API_URL='$KEYGEN_API_URL'
export KEYGEN_ACCOUNT='$KEYGEN_ACCOUNT'
export KEYGEN_PRODUCT='$product'
export KEYGEN_PUBLIC_KEY='$public_key'
export KEYGEN_LICENSE_KEY='$key'
END
