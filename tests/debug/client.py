# Debuggers that do not behave: client.py REEL RECORDING WHAT
import os
import random
import socket
import subprocess
import sys
import time

reel, recording, what = sys.argv[1:]


def serve():
    process = subprocess.Popen([reel, "debug", "--serve", "0", "--start", recording], stderr=subprocess.PIPE,
                               text=True)
    words = process.stderr.readline()
    if "localhost:" not in words:
        sys.exit("reel said: " + words)
    return process, int(words.rsplit(":", 1)[1])


def connect(port):
    for _ in range(200):
        try:
            return socket.create_connection(("localhost", port), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit("nobody listens")


def packet(data):
    if isinstance(data, str):
        data = data.encode("latin-1")
    return b"$" + data + b"#%02x" % (sum(data) & 255)


def answer(client):
    data = b""
    while True:
        byte = client.recv(1)
        if not byte:
            sys.exit("reel has gone")
        data += byte
        if b"#" in data and len(data.split(b"#", 1)[1]) == 2:
            return data.split(b"$", 1)[1].split(b"#")[0]


def ask(client, data):
    client.sendall(packet(data))
    found = answer(client)
    client.sendall(b"+")
    return found


def end(process, client):
    client.sendall(packet("k"))
    client.close()
    if process.wait(60) != 0:
        sys.exit("status %d" % process.returncode)


def hostile():
    process, port = serve()
    client = connect(port)
    nasty = ["m0,ffffffffffffffff", "mffffffffffffffff,10", "m20000,10", "m", "m,", "M0,4:00", "X0,ffff:abc",
             "M20000,2:cccc", "Z0,20000,1", "Z0", "Z9,0,0", "Z2,0,ffffffffffffffff", "z2,1,1", "Z4,1,100", "P", "P0",
             "Pffff=00", "P10=12", "pffffffffffffffffff", "G00", "G", "Hg7fffffff", "Hx0", "T0", "Tzz", "vCont;x",
             "vCont;r1", "vCont;s:zz", "vFile:open:", "vFile:open:2f2f,0,0", "vFile:open:" + "61" * 5000 + ",0,0",
             "vFile:pread:5,10,0", "vFile:pread:0,ffffffffffffffff,ffffffffffffffff", "vFile:close:77",
             "vFile:fstat:ffffffffffffffff", "qXfer:auxv:read::ffffffffffffffff,ffffffffffffffff",
             "qXfer:features:read:../../etc/passwd:0,100", "qXfer:auxv:write::0,1", "qXfer", "qXfer:", "qRcmd,zz",
             "qRcmd,", "qRcmd," + "676f746f20393939393939393939".replace(" ", ""), "qRcmd,676f746f202d31",
             "QPassSignals:zz", "QCatchSyscalls:1;" + ";".join("%x" % i for i in range(100)), "", "\0\0\0", "}",
             "qSupported:" + "a" * 60000, "vMustReplyEmpty"]
    for data in nasty:
        ask(client, data)
    good = ask(client, "p10")
    if len(good) != 16:
        sys.exit("registers are not told any more: %r" % good)
    # a wrong checksum is asked for again; noise between packets does not matter
    client.sendall(b"$g#00")
    if client.recv(1) != b"-":
        sys.exit("a wrong checksum was taken")
    client.sendall(b"+++xyz$m20" + packet("?"))
    if not answer(client).startswith(b"T"):
        sys.exit("no answer after a packet that was cut off")
    client.sendall(b"+")
    random.seed(1)
    for _ in range(2000):
        data = bytearray(random.choice([item for item in nasty if len(item) < 100 and not item.startswith("qR")] + ["g", "?", "qfThreadInfo"]).encode())
        for _ in range(random.randrange(3)):
            if data:
                data[random.randrange(len(data))] = random.choice(b"0123456789abcdef,;:=-m")
        if data[:1] in (b"k", b"D", b"c", b"C", b"s", b"S", b"b") or b"}" in data or data.startswith(b"vK") or b"#" in data or b"$" in data:
            continue
        if data.startswith(b"vCont"):
            continue
        ask(client, bytes(data))
    if ask(client, "p10") != good:
        sys.exit("the replay has moved")
    end(process, client)
    # what is no debugger at all
    process, port = serve()
    client = connect(port)
    try:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n" * 10000)
        client.recv(100)
    except OSError:
        pass
    client.close()
    client = connect(port)
    ask(client, "?")
    end(process, client)


def vanishing():
    process, port = serve()
    for words in (b"", b"$", b"$g", packet("qSupported"), packet("vCont;c"), packet("bc"), packet("vCont;s")):
        client = connect(port)
        client.sendall(words)
        client.close()
    for _ in range(100):
        try:
            client = connect(port)
            if len(ask(client, "p10")) != 16:
                sys.exit("the next one gets no answer")
            break
        except ConnectionResetError:  # it came while the one before was being let in
            time.sleep(0.05)
    end(process, client)


def two():
    process, port = serve()
    client = connect(port)
    ask(client, "?")
    try:
        socket.create_connection(("localhost", port), timeout=60)
        sys.exit("a second debugger was let in")
    except ConnectionRefusedError:
        pass
    ask(client, "?")
    ask(client, "D")
    client.close()
    client = connect(port)
    ask(client, "?")
    end(process, client)


{"hostile": hostile, "vanishing": vanishing, "two": two}[what]()
