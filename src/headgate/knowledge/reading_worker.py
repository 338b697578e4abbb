"""A reading process: it reads files that come by a socket, under limits of the operating system.

It has no secrets and writes no files. Hostile bytes that take it over find nothing in it.
"""

from __future__ import annotations

import argparse
import gc
import resource
import socket
import sys
from io import BufferedRWPair
from math import ceil
from typing import Final

import msgspec

from headgate.kernel.errors import Invalid, NotFound
from headgate.knowledge.readers.formats import read_file
from headgate.knowledge.readers.pdf import page_image
from headgate.knowledge.readers.raw_file import MIB, Limits
from headgate.knowledge.reading_messages import LENGTH, READY, Answer, Done, ImageJob, Job, ReadJob, Refused
from headgate.substrate.parent import stop_with_parent

_MOST_FILES: Final = 64
_DAMAGED: Final = "The file is damaged: it cannot be read. Open it in its program and save it again."


def main() -> None:
    """Answer jobs until the application closes the socket."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    with socket.socket(fileno=parser.parse_args().fd) as link, link.makefile("rwb") as stream:
        stop_with_parent()
        _give_up_files()
        stream.write(READY)
        stream.flush()
        answering = True
        while answering:
            answering = _answer_one(stream)


def _answer_one(stream: BufferedRWPair) -> bool:
    """Answer one job. Return whether the process may go on."""
    head, data = _frame(stream), _frame(stream)
    if head is None or data is None:
        return False
    job: Job = msgspec.msgpack.decode(head, type=Job)
    _limit(job.limits)
    answer = _answered(job, data)
    if isinstance(answer, Refused):
        gc.collect()  # the error and the reader's memory refer to each other
    _send(stream, answer)
    return not (isinstance(answer, Refused) and answer.is_spent)


def _answered(job: Job, data: bytes) -> Answer:
    try:
        match job:
            case ReadJob():
                return Done(file=read_file(data, name=job.name, limits=job.limits))
            case ImageJob():
                return Done(image=page_image(data, page=job.page, width=job.width))
    except (Invalid, NotFound) as exc:
        return Refused(message=exc.message, code=exc.code, detail=exc.detail)
    except MemoryError:
        return Refused(message=out_of_memory(job.limits), code=Invalid.code, is_spent=True)
    except Exception as exc:  # noqa: BLE001 - the edge of the readers: any bytes may come, and the caller is told
        return Refused(message=_DAMAGED, code=Invalid.code, detail=f"{_DAMAGED} ({type(exc).__name__})")


def out_of_memory(limits: Limits) -> str:
    """Return the words for a file that takes too much memory."""
    return (
        f"The file needs more than {limits.memory_bytes // MIB:,} MiB of memory to read. Split it into smaller files."
    )


def _frame(stream: BufferedRWPair) -> bytes | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


def _send(stream: BufferedRWPair, answer: Answer) -> None:
    body = msgspec.msgpack.encode(answer)
    stream.write(LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()


def _give_up_files() -> None:
    """Give up files: no writing, no dumps of memory, few open at once."""
    _set(resource.RLIMIT_FSIZE, 0)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_NOFILE, _MOST_FILES)


def _limit(limits: Limits) -> None:
    """Bound the memory, and the time on the processor from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    if sys.platform != "darwin":  # macOS takes no limit of address space
        _set(resource.RLIMIT_AS, limits.memory_bytes)
    _set(resource.RLIMIT_CPU, ceil(used.ru_utime + used.ru_stime) + limits.cpu_s)


def _set(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if most == resource.RLIM_INFINITY else min(value, most), most))


if __name__ == "__main__":
    main()
