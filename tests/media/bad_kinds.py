"""Kinds of media that do to a decoding process what broken files do. A pool of the tests preloads this."""

import ctypes
import os
import signal
import time

import numpy as np

from sensorium.media.decode import Decoded, add

_state = {"poisoned": False, "seen": 0}


def _echo(source, options, limits):
    _state["seen"] += 1
    return Decoded(np.asarray(source), (("pid", str(os.getpid())), ("seen", str(_state["seen"]))))


def _die(source, options, limits):
    os.kill(os.getpid(), options["signal"])


def _leave(source, options, limits):
    os._exit(options["code"])


def _hang(source, options, limits):
    for name in ("SIGTERM", "SIGINT", "SIGALRM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(1000)  # with Python's lock held, as a decoder's endless loop would


def _eat(source, options, limits):
    kept = []
    while True:
        kept.append(np.ones(1 << 20))


def _poison(source, options, limits):
    _state["poisoned"] = True
    return Decoded(np.zeros(1))


def _fragile(source, options, limits):
    if _state["poisoned"]:
        os.kill(os.getpid(), signal.SIGSEGV)
    return Decoded(np.ones(1))


def _fault(source, options, limits):
    raise KeyError("a fault of the program")


class Unsendable(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.function = lambda: two


def _odd_fault(source, options, limits):
    raise Unsendable("an odd fault", 2)


def _slow(source, options, limits):
    time.sleep(options["seconds"])
    return Decoded(np.zeros(1))


def _meet(source, options, limits):
    mine, other = options["names"]
    open(mine, "w").close()
    while not os.path.exists(other):
        time.sleep(0.01)
    return Decoded(np.ones(1))


for name, function in {
    "echo": _echo,
    "die": _die,
    "leave": _leave,
    "hang": _hang,
    "eat": _eat,
    "poison": _poison,
    "fragile": _fragile,
    "fault": _fault,
    "odd_fault": _odd_fault,
    "meet": _meet,
    "slow": _slow,
}.items():
    add(name, function)
