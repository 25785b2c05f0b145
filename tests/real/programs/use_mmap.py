# SPDX-License-Identifier: MIT
"""Mappings and descriptor I/O see one file, whichever of the two writes."""

import hashlib
import mmap
import os


def sha(data):
    return hashlib.sha256(data).hexdigest()[:16]


fd = os.open('mapped', os.O_RDWR | os.O_CREAT, 0o644)
os.ftruncate(fd, 1_000_000)
shared = mmap.mmap(fd, 1_000_000)

# Written through the descriptor, read in the mapping.
for at in range(0, 1_000_000, 99_991):
    os.pwrite(fd, b'written at %d' % at, at)
print('in the mapping', [bytes(shared[at:at + 12]) for at in (0, 99_991, 899_919)], sha(shared))

# Written in the mapping, read through the descriptor.
for at in range(5, 1_000_000, 4_099):
    shared[at:at + 3] = b'map'
print('through the descriptor', sha(os.pread(fd, 1_000_000, 0)), sha(os.read(fd, 1_000_000)))

# The mapping itself as source and as target of a call, across its pages.
with open('in/big.bin', 'rb', buffering=0) as source:
    view = memoryview(shared)
    print('read into the mapping', source.readinto(view[4000:504_001]), sha(view[:600_000]))
print('write from the mapping', os.pwrite(fd, view[100:200_000], 600_000), sha(view))
print('a file into its own mapping', os.preadv(fd, [view[10:5_010]], 500), sha(view[:6_000]))
view.release()

# Private mappings keep their changes.
private = mmap.mmap(fd, 8192, access=mmap.ACCESS_COPY)
private[0:7] = b'private'
print('private', bytes(private[0:7]), os.pread(fd, 7, 0))
shared.flush()

# A part of the file that is cut off and comes back reads as zeros.
shared.close()
os.ftruncate(fd, 4_097)
os.ftruncate(fd, 300_000)
print('after truncation', os.pread(fd, 10, 4_090), sha(os.pread(fd, 400_000, 0)))

# An anonymous mapping shared with a child.
anonymous = mmap.mmap(-1, 4096)
child = os.fork()
if child == 0:
    anonymous[0:5] = b'child'
    with open('in/small.bin', 'rb', buffering=0) as small:
        small.readinto(memoryview(anonymous)[100:4096])
    os._exit(0)
print('child', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sha(anonymous))

with open('in/text.txt', 'rb') as text, mmap.mmap(text.fileno(), 0, access=mmap.ACCESS_READ) as found:
    print('found', found.find(b' zz'), found.rfind(b' zz'), sha(found[:]))
