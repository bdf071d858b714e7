# What localstack/up and localstack/down share. Sourced by both, from the folder of the checkout.

localstack_port=${LOCALSTACK_PORT:-4566}
dynamodb_port=${DYNAMODB_PORT:-4567}
tools=$PWD/.tools/localstack
venv=$tools/venv
# What runs is known by its port, so that several can run beside each other.
run=$tools/run/$localstack_port

fail() {
    printf 'localstack: %s\n' "$1" >&2
    exit 1
}

say() {
    printf '%s\n' "$1" >&2
}

[[ $localstack_port =~ ^[1-9][0-9]*$ && $localstack_port -lt 65536 ]] ||
    fail "LOCALSTACK_PORT is no port: $localstack_port"
[[ $dynamodb_port =~ ^[1-9][0-9]*$ && $dynamodb_port -lt 65536 ]] ||
    fail "DYNAMODB_PORT is no port: $dynamodb_port"

stack() {
    "$venv/bin/python" localstack/without-docker/stack.py "$1" --folder "$run" "${@:2}"
}

compose() {
    LOCALSTACK_PORT=$localstack_port docker compose --file localstack/compose.yaml \
        --project-name "fanfare-localstack-$localstack_port" "$@"
}
