# Short names for the scripts beside this: `just NAME`. Each works without just, too.

_:
    @just --list --unsorted

# The whole shop in this process, and an audit: just dev --faults 7
dev *arguments:
    cargo run --release -- dev {{arguments}}

# All that must hold before a change goes in
test *step:
    ./test {{step}}

# The shop as a zip for Lambda, for arm64 and x86_64
package *architecture:
    ./package {{architecture}}
