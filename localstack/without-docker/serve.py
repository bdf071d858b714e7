"""LocalStack on 127.0.0.1 alone.

Its default server ignores the address in GATEWAY_LISTEN and opens all interfaces; the other one that it
has, hypercorn, obeys it and is half as fast. So the default server's endpoints get their address here,
before LocalStack makes one. docs/adr/0014 has the numbers.
"""

import functools

from twisted.internet import endpoints

endpoints.TCP4ServerEndpoint = functools.partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")

from localstack.runtime.main import main  # noqa: E402: after the change above

if __name__ == "__main__":
    main()
