"""Runs a command in a pseudo-terminal and copies what it writes to stdout: pseudo-terminal.py COLUMNS CUES COMMAND...

CUES is a JSON list of [text, action]: once `text` has been written (behind the cue before), the action is done, which is
{"columns": N} (the terminal is resized, the command is sent SIGWINCH), {"type": TEXT} or "close" (the terminal is gone, the
command is sent SIGHUP). Exits as the command does, with 128 and the signal's number if a signal ended it.
"""

import fcntl
import json
import os
import pty
import struct
import sys
import termios

columns, cues, command = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]


def resize(descriptor, width):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))


child, terminal = pty.fork()
if child == 0:
    resize(0, columns)
    os.execvp(command[0], command)

written = b""
is_open = True
while is_open:
    try:
        chunk = os.read(terminal, 65536)
    except OSError:  # Linux reports the end in this way.
        break
    if not chunk:
        break
    sys.stdout.buffer.write(chunk)
    written += chunk
    while is_open and cues and cues[0][0].encode() in written:
        text, action = cues.pop(0)
        written = written.split(text.encode(), 1)[1]
        if action == "close":
            os.close(terminal)
            is_open = False
        elif "columns" in action:
            sys.stdout.buffer.write(("\x1b[8;24;%dt" % action["columns"]).encode())
            resize(terminal, action["columns"])
        else:
            os.write(terminal, action["type"].encode())
sys.stdout.flush()
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
