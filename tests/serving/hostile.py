"""Requests that somebody sends who means no good: each a name, and what to send."""

import base64
import io
import json
import struct
import zlib

MEDIA = ("photo", "call", "clip")
FIELDS = (*MEDIA, "note", "pose", "age", "shop")


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def places(file: str, port: int) -> list[str]:
    """Names of things that are not in the request. `file` exists, and at `port` a server counts who comes."""
    url = f"127.0.0.1:{port}/x.png"
    up = "../" * 12
    return [
        file, f"file://{file}", f"file:{file}", f"{up}{file.lstrip('/')}", up + "etc/passwd", "/etc/passwd", "..\\..\\win.ini",
        "/proc/self/environ", "/dev/zero", "/dev/stdin", "~/.ssh/id_rsa", "\\\\127.0.0.1\\share\\x.png", "%2e%2e%2fetc%2fpasswd",
        f"http://{url}", f"https://{url}", f"ftp://{url}", f"tcp://{url}", f"concat:{file}|{file}", f"subfile,,start,0,end,9,,:{file}",
        "pipe:0", "$(id)", "|id", "`id`", "; id", "photo.png|photo.png", "{{7*7}}", "${jndi:ldap://127.0.0.1/a}", f"data:,{file}",
        f"data:image/png;base64,{file}", encoded(file.encode()), encoded(f"http://{url}".encode()),
    ]  # fmt: skip


def lists(file: str, port: int) -> dict[str, bytes]:
    """Files that name other files or addresses, which players of media go to."""
    url = f"http://127.0.0.1:{port}/x"
    entity = f'<!DOCTYPE a [<!ENTITY b SYSTEM "file://{file}"><!ENTITY c SYSTEM "{url}">]>'
    return {
        "m3u8 of a url": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}.ts\n#EXT-X-ENDLIST\n".encode(),
        "m3u8 of a file": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{file}\n#EXT-X-ENDLIST\n".encode(),
        "m3u8 with a key": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:1,\n{url}.ts\n'.encode(),
        "ffconcat": f"ffconcat version 1.0\nfile '{file}'\nfile {url}\n".encode(),
        "mpd": f'<?xml version="1.0"?>{entity}<MPD><BaseURL>{url}</BaseURL></MPD>'.encode(),
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n".encode(),
        "svg": f'{entity}<svg xmlns:x="http://www.w3.org/1999/xlink"><image x:href="{url}"/>&b;&c;</svg>'.encode(),
        "asx": f'<asx version="3"><entry><ref href="{url}"/></entry></asx>'.encode(),
        "pls": f"[playlist]\nFile1={url}\nFile2={file}\n".encode(),
        "eps": f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({file}) (r) file run\n".encode(),
        "pickle": b"cos\nsystem\n(S'touch /tmp/no'\ntR.",
        "html": f"<html><img src={url}></html>".encode(),
        "zip": b"PK\x03\x04" + b"\0" * 60,
    }


def bombs() -> dict[str, bytes]:
    """Small files that say they are large, or become it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))

    def png(width: int, height: int, content: bytes) -> bytes:
        head = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")

    zeros = zlib.compress(bytes(20_000_000), 9)
    text = b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9)
    small = io.BytesIO()
    small.write(png(1, 1, zlib.compress(b"\0\0"))[:33])
    small.write(chunk(*text))
    small.write(chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b""))
    wave = (
        b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8) + b"data\xff\xff\xff\xff"
    )
    return {
        "png of 10^10 pixels": png(100_000, 100_000, zeros),
        "png of 49 million pixels": png(7000, 7000, zeros),
        "png with a swollen text": small.getvalue(),
        "bmp of 10^9 pixels": b"BM" + struct.pack("<IHHIIiiHH", 10**9, 0, 0, 54, 40, 32_000, 32_000, 1, 24) + bytes(40),
        "wav of 4 GB": wave + bytes(100),
        "wav of 4 * 10^9 Hz": wave.replace(struct.pack("<I", 8000), b"\xff\xff\xff\xff", 1) + bytes(100),
        "wav of 65,535 channels": wave[:22] + b"\xff\xff" + wave[24:] + bytes(100),
        "mp4 of nested boxes": b"\0\0\x10\0moov" * 2000,
        "mp4 of 2^63 bytes": b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + b"\0\0\0\1mdat\x7f\xff\xff\xff\xff\xff\xff\xff",
        "gif of 65,535 squared": b"GIF89a\xff\xff\xff\xff\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
        "gzip": zlib.compress(bytes(10_000_000), 9, 31),
        "zeros": bytes(100_000),
        "a byte": b"\0",
        "half a jpeg": b"\xff\xd8\xff\xe0" + bytes(20),
        "tiff that goes in circles": b"II*\0\x08\0\0\0"
        + struct.pack("<H", 1)
        + struct.pack("<HHII", 256, 4, 1, 9)
        + b"\x08\0\0\0",
    }


VALUES = [0, -1, 1.5, 1e308, -1e308, 10**400, True, False, "", "x", "NaN", "1e999", [], [[]], [None], [1, 2, 3], [1e39, 0, 0], {}, {"a": []},
          {"bytes": "QQ==", "path": "/etc/passwd"}, {"file": "/etc/passwd"}, "\0", "\u202e\U0001f4a9é", "'; DROP TABLE rows; --",
          "a" * 20_000, "9" * 5000, "12:30 now", "99/99/9999"]  # fmt: skip


def bodies() -> dict[str, bytes]:
    """Bodies that are no rows."""
    row = b'{"note": "x"}'
    return {
        "nothing": b"",
        "null": b"null",
        "a list": b"[]",
        "text": b'"rows"',
        "a number": b"1",
        "no rows": b"{}",
        "rows null": b'{"rows": null}',
        "rows an object": b'{"rows": {"0": {}}}',
        "rows empty": b'{"rows": []}',
        "rows of lists": b'{"rows": [[]]}',
        "rows of null": b'{"rows": [null]}',
        "rows of text": b'{"rows": ["a"]}',
        "too many rows": b'{"rows": [' + b",".join([b"{}"] * 65) + b"]}",
        "very many rows": b'{"rows": [' + b",".join([b"{}"] * 300_000) + b"]}",
        "another key": b'{"rows": [{}], "run": "../other"}',
        "a field twice": b'{"rows": [{"note": "a", "note": "b"}]}',
        "rows twice": b'{"rows": [' + row + b'], "rows": [' + row + b"]}",
        "deep lists": b'{"rows": ' + b"[" * 200_000,
        "deep objects": b'{"rows": ' + b'{"a":' * 200_000,
        "deep in a field": b'{"rows": [{"pose": ' + b"[" * 500 + b"]" * 500 + b"}]}",
        "not a number": b'{"rows": [{"age": NaN}]}',
        "infinity": b'{"rows": [{"age": -Infinity}]}',
        "digits": b'{"rows": [{"age": ' + b"9" * 100_000 + b"}]}",
        "exponent": b'{"rows": [{"age": 1e999999999}]}',
        "not UTF-8": b'{"rows": [{"note": "\xff\xfe"}]}',
        "UTF-16": '{"rows": [{"note": "x"}]}'.encode("utf-16"),
        "a mark of order": b"\xef\xbb\xbf" + b'{"rows": [{}]}',
        "half a surrogate": b'{"rows": [{"note": "\\ud800"}]}',
        "half a surrogate as a name": b'{"rows": [{"\\udfff": "x"}]}',
        "a zero": b'{"rows": [{"note": "\\u0000"}]}',
        "zeros": b"\0" * 1000,
        "names of Python": b'{"rows": [{"__class__": {"__init__": 1}, "__proto__": {}, "model_config": {}}]}',
        "a name inside": b'{"rows": [{"field_0": "QQ=="}]}',
        "an empty name": b'{"rows": [{"": "x"}]}',
        "a long name": b'{"rows": [{"' + b"a" * 500_000 + b'": 1}]}',
        "many names": json.dumps({"rows": [{f"n{i}": i for i in range(20_000)}]}).encode(),
        "XML": b"<rows><row/></rows>",
        "YAML": b"!!python/object/apply:os.system ['id']",
        "comments": b'{"rows": [{} /* x */]}',
        "cut off": b'{"rows": [{"note": "x',
        "more after it": b'{"rows": [{}]} {"rows": [{}]}',
        "a long text": json.dumps({"rows": [{"note": "words " * 200_000}]}).encode(),
    }


TYPES = ["", "text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json-patch+json", "multipart/mixed; boundary=b",
         "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 500,
         "multipart/form-data; boundary=b; charset=idna", "multipart/form-data; boundary=b; charset=rot13", "application/json; charset=utf-7",
         "a" * 5000]  # fmt: skip

# Forms: after the boundary b.
FORMS = {
    "a path as the file's name": b'--b\r\nContent-Disposition: form-data; name="photo"; filename="../../../tmp/no"\r\n\r\nx\r\n--b--\r\n',
    "a header in the file's name": b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a\\r\\nX: y"\r\n\r\nx\r\n--b--\r\n',
    "no name": b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
    "no end": b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nx',
    "no part": b"--b--\r\n",
    "twice": b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n' * 2 + b"--b--\r\n",
    "parts and parts": b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\nx\r\n' * 5000 + b"--b--\r\n",
    "a long header": b'--b\r\nContent-Disposition: form-data; name="note"; x="' + b"y" * 500_000 + b'"\r\n\r\nx\r\n--b--\r\n',
    "a name of a path": b'--b\r\nContent-Disposition: form-data; name="../photo"\r\n\r\nx\r\n--b--\r\n',
    "rows that name themselves": b'--b\r\nContent-Disposition: form-data; name="rows"\r\n\r\n[{"photo": {"file": "rows"}}]\r\n--b--\r\n',
    "rows that name a path": b'--b\r\nContent-Disposition: form-data; name="rows"\r\n\r\n[{"photo": {"file": "/etc/passwd"}}]\r\n--b--\r\n',
    "bytes as a text": b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\n\xff\xfe\r\n--b--\r\n',
    "a form in a form": b'--b\r\nContent-Disposition: form-data; name="photo"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--\r\n',
    "a coded part": b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==\r\n--b--\r\n',
}  # fmt: skip


FORMS_OF_A_ROW = {  # they say nothing worse than a file that is none, or nothing at all
    "a path as the file's name",
    "a header in the file's name",
    "no part",
    "bytes as a text",
    "a coded part",
}


def raw(port: int) -> dict[str, bytes]:
    """What is no HTTP that a library would send. `port`: of the server that counts who comes."""
    body = b'{"rows": [{}]}'
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    end = b"Connection: close\r\n"
    whole = head + end + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return {
        "no HTTP": b"hello\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        "zeros": bytes(1000),
        "an old version": b"GET /health\r\n\r\n",
        "a new version": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "no host": b"GET /health HTTP/1.1\r\n" + end + b"\r\n",
        "two hosts": b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n" + end + b"\r\n",
        "a path up": b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: a\r\n" + end + b"\r\n",
        "a path up, coded": b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n" + end + b"\r\n",
        "a path of a file": b"GET //etc/passwd HTTP/1.1\r\nHost: a\r\n" + end + b"\r\n",
        "a zero in the path": b"GET /predict%00.png HTTP/1.1\r\nHost: a\r\n" + end + b"\r\n",
        "an address as the path": b"GET http://127.0.0.1:%d/x HTTP/1.1\r\nHost: a\r\n" % port + end + b"\r\n",
        "a tunnel": b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: a\r\n" % port + end + b"\r\n",
        "a trace": b"TRACE /predict HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n" + end + b"\r\n",
        "an upgrade": b"GET /predict HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
        "a slash more": b"POST /predict/ HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n" + end + b"\r\n",
        "a header in the query": b"POST /explain?target=a%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: a\r\n" + end
        + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
        "a header in a header": whole.replace(b"Host: a", b"Host: a\r\nX-API-Key: b\rSet-Cookie: a=b"),
        "a zero in a header": whole.replace(b"Host: a", b"Host: a\0b"),
        "a folded header": whole.replace(b"Host: a", b"Host: a\r\n b"),
        "a long header": whole.replace(b"Host: a", b"Host: a\r\nX: " + b"y" * 200_000),
        "many headers": whole.replace(b"Host: a", b"Host: a\r\n" + b"X: y\r\n" * 20_000 + b"Y: z"),
        "who it says it is": whole.replace(b"Host: a", b"Host: evil.example\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: b"),
        "a body of 2 GB": head + b"Content-Length: 2147483648\r\n\r\n" + body,
        "a body of 10^30 bytes": head + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n" + body,
        "a length below 0": head + end + b"Content-Length: -1\r\n\r\n" + body,
        "a length in words": head + end + b"Content-Length: ten\r\n\r\n" + body,
        "two lengths": head + end + b"Content-Length: 3\r\nContent-Length: 14\r\n\r\n" + body,
        "a length and chunks": head + end + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "chunks of letters": head + end + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "a chunk of 2^64": head + end + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        "an unknown coding": head + end + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "waits for a go": head + end + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
        "a second request inside": head + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + end + b"\r\n",
        "packed": whole.replace(b"Host: a", b"Host: a\r\nContent-Encoding: gzip"),
    }  # fmt: skip
