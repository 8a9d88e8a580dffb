"""What lies in folders elsewhere, looked at and changed behind dabench's back; and the S3 server of the tests.

The server is moto's (`moto[server]`), a mock of Amazon's that answers on loopback: what is tested is what pyarrow and dabench
say to it over HTTP, not how Amazon's own behaves under load.
"""

from __future__ import annotations

import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pyarrow import fs


@contextmanager
def serving() -> Iterator[str]:
    """Start the server with a bucket `runs`; give what follows the path in an address of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
    host, port = server.get_host_and_port()
    query = query_of(f"{host}:{port}")
    files, _ = fs.FileSystem.from_uri(f"s3://key:secret@runs/{query}")
    files.create_dir("runs")
    yield query
    server.stop()


def query_of(endpoint: str) -> str:
    """Return what follows the path in an address of a server."""
    quoted = urllib.parse.quote(endpoint, safe="")
    return f"?scheme=http&endpoint_override={quoted}&region=us-east-1&allow_bucket_creation=true"


def files_of(address: str) -> dict[str, bytes]:
    """Return what lies there."""
    files, root = fs.FileSystem.from_uri(address)
    found = files.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    return {i.path[len(root) :].strip("/"): files.open_input_stream(i.path).read() for i in found if i.type == fs.FileType.File}


def put(address: str, name: str, content: bytes) -> None:
    files, root = fs.FileSystem.from_uri(address)
    with files.open_output_stream(f"{root}/{name}") as f:
        f.write(content)


def delete(address: str, name: str) -> None:
    files, root = fs.FileSystem.from_uri(address)
    files.delete_file(f"{root}/{name}")


def put_by_key(query: str, key: str, content: bytes) -> None:
    """Put an object into the bucket `runs` under a key that pyarrow may refuse to write."""
    endpoint = urllib.parse.parse_qs(query)["endpoint_override"][0]
    request = urllib.request.Request(f"http://{endpoint}/runs/{urllib.parse.quote(key, safe='')}", content, method="PUT")
    urllib.request.urlopen(request).close()
