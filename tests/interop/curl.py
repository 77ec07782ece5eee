"""curl (ngtcp2, nghttp3) against a server: curl.py BASE-URL FILE, where the server has FILE at /media/big.mp4."""

import sys

from curl_cffi import CurlHttpVersion, requests

BASE, FILE = sys.argv[1:]
URL = BASE + "/media/big.mp4"
WHOLE = open(FILE, "rb").read()
SIZE = len(WHOLE)

session = requests.Session(verify=False, http_version=CurlHttpVersion.V3ONLY)


def ask(method="GET", url=URL, **fields):
    """One request over HTTP/3, with these fields: `if_match` is If-Match."""
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    answer = session.request(method, url, headers=headers, allow_redirects=False)
    assert answer.http_version == 30, f"this was not HTTP/3 but {answer.http_version}"
    return answer


def same(what, found, wanted):
    assert found == wanted, f"{what}: {found!r}, not {wanted!r}"


whole = ask()
etag = whole.headers["etag"]
same("status", whole.status_code, 200)
same("the whole file", whole.content == WHOLE, True)
same("length", whole.headers["content-length"], str(SIZE))

# RFC 9110 section 14: what is asked for, and what of the file it is.
for asked, first, last in [
    ("bytes=0-0", 0, 0),
    ("bytes=100000-299999", 100_000, 299_999),
    (f"bytes={SIZE - 5}-", SIZE - 5, SIZE - 1),
    ("bytes=-1000", SIZE - 1000, SIZE - 1),
]:
    part = ask(range=asked)
    same(asked, (part.status_code, part.headers["content-range"]), (206, f"bytes {first}-{last}/{SIZE}"))
    same(asked, part.content == WHOLE[first : last + 1], True)
several = ask(range="bytes=0-9,1000-1009")
same("several ranges", several.status_code, 206)
same("several ranges", several.headers["content-type"].split(";")[0], "multipart/byteranges")
same("several ranges", WHOLE[:10] in several.content and WHOLE[1000:1010] in several.content, True)
beyond = ask(range=f"bytes={SIZE}-")
same("beyond the end", (beyond.status_code, beyond.headers["content-range"]), (416, f"bytes */{SIZE}"))

# RFC 9110 section 13.
same("If-None-Match", ask(if_none_match=etag).status_code, 304)
same("If-Match", ask(if_match='"other"').status_code, 412)
same("If-Range, the same", ask(range="bytes=0-9", if_range=etag).status_code, 206)
same("If-Range, another", ask(range="bytes=0-9", if_range='"other"').status_code, 200)
same("If-Modified-Since", ask(if_modified_since=whole.headers["last-modified"]).status_code, 304)

head = ask("HEAD")
same("HEAD", (head.status_code, head.headers["content-length"], head.content), (200, str(SIZE), b""))
refused = ask("POST")
same("POST", (refused.status_code, refused.headers["allow"]), (405, "GET, HEAD, OPTIONS"))
same("what is not there", ask(url=BASE + "/media/none.mp4").status_code, 404)
print("ok")
