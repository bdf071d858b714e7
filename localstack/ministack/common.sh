# What localstack/ministack/start and env share. Sourced by both, from the folder of the checkout.

port=${MINISTACK_PORT:-4566}
venv=$PWD/.tools/ministack
here=localstack/ministack
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
free='import socket, sys; socket.create_server(("127.0.0.1", int(sys.argv[1]))).close()'

fail() {
    printf 'ministack: %s\n' "$1" >&2
    exit 1
}

say() {
    printf '%s\n' "$1" >&2
}

[[ $port =~ ^[1-9][0-9]*$ && $port -lt 65536 ]] || fail "MINISTACK_PORT is no port: $port"

# Pinned with their digests.
install() {
    local candidate python=
    cmp -s "$here/requirements.txt" "$venv/installed.txt" && "$venv/bin/python" -c "$fits" && return
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        # Some names are there and refuse to run.
        if "$candidate" -c "$fits" 2>/dev/null; then
            python=$(command -v "$candidate")
            break
        fi
    done
    [[ -n $python ]] || fail "Python 3.11 to 3.13 is needed"
    say "installing MiniStack and AWS's command line into $venv, once: 250 MB"
    "$python" -m venv --clear "$venv" ||
        fail "no virtual environment can be made: install Python's venv module (python3-venv)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
        --requirement "$here/requirements.txt" ||
        fail "MiniStack can't be installed from the package index: is there a network?"
    # For the path: only AWS's command line, not its Python.
    mkdir -p "$venv/path"
    ln -sf ../bin/aws "$venv/path/aws"
    cp "$here/requirements.txt" "$venv/installed.txt"
}
