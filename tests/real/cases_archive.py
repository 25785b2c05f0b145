# SPDX-License-Identifier: MIT
"""tar, gzip, xz and rsync: what goes in comes out, and what lies between is the same file natively and not."""

import os

from harness import case

TAR = ('tar', '--sort=name', '--numeric-owner', '--owner=0', '--group=0')


@case('tar', needs=['tar'], mtimes=['out/*'], quick=True)
def tar(run):
    run.run(*TAR, '-cf', 'tree.tar', '-C', 'in', 'tree', 'sparse.bin')
    run.run('tar', '-tvf', 'tree.tar')
    run.path('out').mkdir()
    run.run('tar', '-xpf', 'tree.tar', '-C', 'out')
    run.run('tar', '-df', 'tree.tar', '-C', 'out')
    run.run(*TAR, '-rf', 'tree.tar', '-C', 'in', 'small.bin', 'unended.txt')
    run.run('tar', '--delete', '-f', 'tree.tar', 'small.bin')
    run.run('tar', '-xOf', 'tree.tar', 'unended.txt', 'sparse.bin')


@case('tar: through pipes, sparse, split', needs=['tar', 'gzip', 'bash'], mtimes=['piped/*'])
def tar_pipes(run):
    run.path('piped').mkdir()
    run.run('bash', '-c', f'set -o pipefail; {" ".join(TAR)} -cf - -C in tree | tar -xpf - -C piped')
    run.run(*TAR, '-cf', 'packed.tar.gz', '-I', 'gzip -n', '-C', 'in', 'doc')
    run.run('tar', '-tzf', 'packed.tar.gz')
    run.run(*TAR, '-cSf', 'sparse.tar', '-C', 'in', 'sparse.bin')
    run.path('sparse').mkdir()
    run.run('tar', '-xSf', 'sparse.tar', '-C', 'sparse')
    run.run(*TAR, '-cWf', 'verified.tar', '-C', 'in', 'small.bin', 'text.txt')
    run.run(*TAR, '-b', '1', '-cf', 'small-blocks.tar', '-C', 'in', 'small.bin')
    run.path('cut.tar').write_bytes(run.path('small-blocks.tar').read_bytes()[:40_000])
    run.run('tar', '-xf', 'cut.tar', '-O', expect=2)


@case('gzip', needs=['gzip'], mtimes=['text.*'], quick=True)
def gzip(run):
    _copy(run, 'text.txt', 'text.txt')
    run.run('gzip', '-nk', 'text.txt')
    run.run('gzip', '-t', '-v', 'text.txt.gz')
    run.run('gzip', '-dc', 'text.txt.gz')
    run.run('gzip', '-df', 'text.txt.gz')
    run.run('gzip', '-c1n', stdin='in/big.bin', out='big.gz')
    run.run('gzip', '-c9n', stdin='in/small.bin', out='small.gz')
    with open(run.path('members.gz'), 'wb') as members:
        members.write(run.path('big.gz').read_bytes() + run.path('small.gz').read_bytes())
    run.run('gzip', '-dc', stdin='members.gz')
    run.run('gzip', '--synchronous', '-n', '-S', '.z', 'big.gz', expect=(0, 1, 2))
    run.path('cut.gz').write_bytes(run.path('members.gz').read_bytes()[:1_000_000])
    run.run('gzip', '-dc', 'cut.gz', expect=1)


@case('xz', needs=['xz'], mtimes=['text.*'], quick=True)
def xz(run):
    _copy(run, 'text.txt', 'text.txt')
    run.run('xz', '-k', '-1', 'text.txt')
    run.run('xz', '-t', 'text.txt.xz')
    run.run('xz', '-l', '--robot', 'text.txt.xz')
    run.run('xz', '-dc', 'text.txt.xz')
    run.run('xz', '-0', '-T2', '--block-size=500KiB', '-c', 'in/big.bin', out='blocks.xz')
    run.run('xz', '-T2', '-dc', 'blocks.xz')
    run.run('xz', '-dc', stdin='blocks.xz', out='unpacked')
    run.path('zeros').write_bytes(bytes(3_000_000))
    run.run('xz', '-0', 'zeros')
    run.run('xz', '-d', 'zeros.xz')
    run.path('cut.xz').write_bytes(run.path('blocks.xz').read_bytes()[:1_000_000])
    run.run('xz', '-dc', 'cut.xz', expect=1)


@case('rsync', needs=['rsync'], mtimes=['copy/*'], quick=True)
def rsync(run):
    run.run('rsync', '-aH', 'in/tree/', 'copy/')
    run.run('rsync', '-aHc', '--itemize-changes', 'in/tree/', 'copy/')
    _spoil(run.path('copy'))
    run.run('rsync', '-aHc', '--delete', '--itemize-changes', 'in/tree/', 'copy/')


@case('rsync: deltas', needs=['rsync'])
def rsync_deltas(run):
    """The delta algorithm, which over local paths runs only when asked for."""
    whole = run.path('in/big.bin').read_bytes()
    for name in ('in-place', 'delta', 'appended', 'sparse'):
        run.path(name).mkdir()
    run.path('delta/big.bin').write_bytes(whole[:700_000] + b'inserted' * 999 + whole[750_000:])
    run.path('in-place/big.bin').write_bytes(whole[:100_000] + bytes(50_000) + whole[150_000:2_000_000])
    run.path('appended/big.bin').write_bytes(whole[:1_234_567])
    run.run('rsync', '-tI', '--no-whole-file', 'in/big.bin', 'delta/')
    run.run('rsync', '-tI', '--no-whole-file', '--inplace', 'in/big.bin', 'in-place/')
    run.run('rsync', '-t', '--append-verify', 'in/big.bin', 'appended/')
    run.run('rsync', '-tS', '--fsync', 'in/sparse.bin', 'sparse/')
    run.run('rsync', '-a', 'in/missing', 'copy/', expect=23)


def _copy(run, source, target):
    """A copy by the runner that keeps the time, so that a program can keep it in turn."""
    path = run.path(target)
    path.write_bytes((run.suite.inputs / source).read_bytes())
    info = (run.suite.inputs / source).stat()
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def _spoil(root):
    """Makes a copied tree unlike its source in each way that rsync repairs."""
    (root / 'd0/e0/f1.txt').write_bytes(b'not what it was')
    (root / 'd1/e1/f3.txt').unlink()
    (root / 'd1/e1/stranger').write_bytes(b'to be deleted')
    (root / 'd2/e2/f4.txt').chmod(0o777)
    (root / 'dangling').unlink()
