"""Runs a program on a terminal of its own and types at it.

usage: pty.py TRANSCRIPT [size=ROWSxCOLUMNS] [cooked] [STEP...] -- PROGRAM ARG...

A STEP is expect=TEXT (wait until the program has written TEXT since the last expect), send=TEXT (type it; escapes as in
Python: \\n, \\x03 for Ctrl-C, \\x1a for Ctrl-Z), pause=SECONDS. What comes from the terminal goes to the file TRANSCRIPT.
Unless `cooked`, the terminal echoes nothing and leaves line ends alone, so that the transcript is just what the program
wrote. Exit status: the program's, 128 + signal, or 124 when something expected did not come within 60 s.
"""

import codecs
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 60


class Session:
    def __init__(self, transcript, rows, columns, cooked, command):
        self.seen = b""
        self.deadline = time.monotonic() + LIMIT
        self.transcript = open(transcript, "wb")
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        mode = termios.tcgetattr(slave)
        mode[3] |= termios.NOFLSH  # Ctrl-C must not throw away output that has not been read yet
        if not cooked:
            mode[1] &= ~termios.OPOST
            mode[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        self.pid = os.fork()
        if self.pid == 0:
            self.become(slave, command)
        os.close(slave)

    @staticmethod
    def become(slave, command):
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(slave, fd)
        os.closerange(3, 64)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.environ.setdefault("TERM", "xterm")
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(127)

    def more(self):
        """Take what the terminal has; False at its end."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            self.give_up("60 s are over")
        if not select.select([self.master], [], [], min(left, 1))[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the last user of the terminal is gone
            data = b""
        self.transcript.write(data)
        self.transcript.flush()
        self.seen += data
        return bool(data)

    def give_up(self, why):
        print(f"pty.py: {why}; last seen: {self.seen[-200:]!r}", file=sys.stderr)
        try:
            os.killpg(self.pid, signal.SIGKILL)
            os.kill(self.pid, signal.SIGKILL)
        except OSError:
            pass
        sys.exit(124)

    def expect(self, text):
        while text not in self.seen:
            if not self.more():
                self.give_up(f"the program ended without {text!r}")
        self.seen = self.seen[self.seen.index(text) + len(text):]

    def pause(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0] and not self.more():
                break

    def end(self):
        while self.more():
            pass
        status = os.waitpid(self.pid, 0)[1]
        if os.WIFSIGNALED(status):
            return 128 + os.WTERMSIG(status)
        return os.WEXITSTATUS(status)


def main():
    transcript, arguments = sys.argv[1], sys.argv[2:]
    split = arguments.index("--")
    steps, command = arguments[:split], arguments[split + 1:]
    rows, columns, cooked = 24, 80, "cooked" in steps
    for step in steps:
        if step.startswith("size="):
            rows, columns = map(int, step[5:].split("x"))
    session = Session(transcript, rows, columns, cooked, command)
    for step in steps:
        verb, _, text = step.partition("=")
        if verb == "expect":
            session.expect(codecs.decode(text, "unicode_escape").encode("latin-1"))
        elif verb == "send":
            os.write(session.master, codecs.decode(text, "unicode_escape").encode("latin-1"))
        elif verb == "pause":
            session.pause(float(text))
        elif verb not in ("size", "cooked"):
            sys.exit(f"pty.py: unknown step {step}")
    sys.exit(session.end())


main()
