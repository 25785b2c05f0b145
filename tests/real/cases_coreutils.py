# SPDX-License-Identifier: MIT
"""cat, cp, dd, checksums, sort, grep and their neighbours: each program as it is used every day, and its errors."""

import os

from harness import Skip, case


@case('cat', needs=['cat'], quick=True)
def cat(run):
    run.run('cat', 'in/big.bin', 'in/text.txt', 'in/empty', 'in/byte')
    run.run('cat', 'in/big.bin', out='copied')
    run.run('cat', stdin='in/unended.txt', out='from-stdin')
    run.run('cat', 'in/byte', '-', 'in/byte', feed=b'between\n' * 30_000)
    run.run('cat', '-A', 'in/text.txt')
    run.run('cat', 'in/byte', 'in/missing', 'in/tree', 'in/byte', expect=1)
    run.run('cat', '/proc/version', '/proc/self/comm')


@case('cat: into its own input', needs=['cat', 'bash'])
def cat_appends(run):
    run.path('grown').write_bytes(b'once\n')
    run.run('bash', '-c', 'cat in/text.txt >> grown; cat in/byte in/text.txt >> grown; cat < grown >> grown',
            expect=(0, 1))


@case('cp', needs=['cp'], mtimes=['tree*'], quick=True)
def cp(run):
    run.run('cp', 'in/big.bin', 'plain')
    run.run('cp', '--reflink=never', '--sparse=never', 'in/sparse.bin', 'dense')
    run.run('cp', '--sparse=always', 'in/sparse.bin', 'sparse')
    run.run('cp', '-a', 'in/tree', 'tree')
    run.run('cp', '-l', 'plain', 'linked')
    run.run('cp', '--attributes-only', 'in/big.bin', 'attributes')
    run.run('cp', '/dev/stdin', 'from-pipe', feed=b'through a pipe\n' * 10_000)
    run.run('cp', 'plain', 'plain', expect=1)


@case('dd', needs=['dd'], quick=True)
def dd(run):
    def copy(*words, **more):
        run.run('dd', 'status=noxfer', *words, **more)

    copy('if=in/big.bin', 'of=synced', 'bs=4k', 'conv=fsync')
    copy('if=in/big.bin', 'of=fdatasynced', 'bs=64k', 'conv=fdatasync')
    copy('if=in/small.bin', 'of=each-synced', 'bs=8k', 'oflag=dsync')
    copy('if=in/small.bin', 'of=odd', 'ibs=1000', 'obs=777')
    copy('if=in/text.txt', 'of=converted', 'bs=4k', 'conv=ucase,swab')
    copy('if=in/sparse.bin', 'of=sparse', 'bs=16k', 'conv=sparse')
    copy('if=in/big.bin', 'of=out', 'bs=1000', 'skip=7', 'seek=5', 'count=100')
    copy('if=in/small.bin', 'of=out', 'bs=333', 'skip=3', 'seek=11', 'count=20', 'conv=notrunc')
    copy('if=in/small.bin', 'of=out', 'bs=4k', 'iflag=skip_bytes,count_bytes', 'oflag=seek_bytes', 'skip=1234',
         'seek=4321', 'count=30001', 'conv=notrunc')
    copy('of=from-pipe', 'bs=7', 'iflag=fullblock', 'count=5000', feed=bytes(range(256)) * 200)
    copy('if=in/small.bin', 'bs=512')
    copy('if=/dev/zero', 'of=zeros', 'bs=100k', 'count=7')
    copy('if=in/small.bin', 'of=/dev/full', 'bs=4k', expect=1)
    copy('if=in/small.bin', 'of=excl', 'conv=excl,nocreat', expect=1)


@case('dd: appends', needs=['dd'], quick=True)
def dd_append(run):
    for size in ('1', '4096', '1000'):
        run.run('dd', 'if=in/small.bin', 'of=log', f'bs={size}', 'count=30', 'oflag=append', 'conv=notrunc',
                'status=none')


@case('dd: O_DIRECT', needs=['dd'], quick=True)
def dd_direct(run):
    needs_direct(run)
    run.run('dd', 'if=in/aligned.bin', 'of=whole', 'bs=64k', 'iflag=direct', 'oflag=direct', 'status=noxfer')
    run.run('dd', 'if=in/big.bin', 'of=with-a-tail', 'bs=128k', 'iflag=direct', 'oflag=direct', 'status=noxfer')
    run.run('dd', 'if=in/aligned.bin', 'of=synced', 'bs=32k', 'oflag=direct,dsync', 'count=8', 'status=noxfer')
    run.run('dd', 'if=in/aligned.bin', 'of=misaligned', 'bs=1000', 'iflag=direct', 'count=3', 'status=noxfer',
            expect=(0, 1))


def needs_direct(run):
    try:
        os.close(os.open(run.path('in/aligned.bin'), os.O_RDONLY | os.O_DIRECT))
    except OSError as error:
        raise Skip(f'no O_DIRECT on this file system: {error.strerror}') from None


@case('checksums', needs=['sha256sum', 'md5sum', 'cksum'], quick=True)
def checksums(run):
    run.run('sha256sum', 'in/big.bin', 'in/text.txt', 'in/empty', 'in/sparse.bin', out='sums')
    run.run('sha256sum', '-c', 'sums')
    run.run('sha256sum', stdin='in/big.bin')
    run.run('sha256sum', feed=b'piped ' * 50_000)
    run.run('md5sum', 'in/big.bin', 'in/missing', expect=1)
    run.run('cksum', 'in/big.bin', 'in/sparse.bin')


@case('sort', needs=['sort'], quick=True)
def sort(run):
    run.run('sort', 'in/text.txt', out='plain')
    run.run('sort', '-S', '200k', '--parallel=2', '-k2', 'in/text.txt', 'in/unended.txt', out='with-runs-on-disk')
    run.run('sort', '-u', '-n', '-o', 'in-place', 'in/text.txt')
    run.run('sort', '-r', '-o', 'in-place', 'in-place')
    run.run('sort', '-m', 'plain', 'plain')
    run.run('sort', '-c', 'in/text.txt', expect=1)
    run.run('sort', '-S', '200k', '--compress-program=gzip', 'in/text.txt', out='with-packed-runs')


@case('grep', needs=['grep'], quick=True)
def grep(run):
    run.run('grep', '-rn', 'the', 'in/doc', expect=(0, 1))
    run.run('grep', '-rlZ', 'e', 'in/doc', 'in/many', expect=(0, 1))
    run.run('grep', '-c', 'q[a-z]*u', 'in/text.txt')
    run.run('grep', '-abo', 'aaa', 'in/big.bin', expect=(0, 1))
    run.run('grep', '-m3', '-A2', 'zz', 'in/text.txt', 'in/unended.txt', expect=(0, 1))
    run.run('grep', '-q', 'a', stdin='in/text.txt')
    run.run('grep', 'x', 'in/missing', 'in/tree', expect=2)


@case('text tools', needs=['head', 'tail', 'split', 'tee', 'wc', 'cut', 'tr', 'comm', 'cmp', 'od', 'truncate', 'tac',
                           'sed', 'diff', 'find'])
def text_tools(run):
    run.run('head', '-c', '100001', 'in/big.bin')
    run.run('head', '-n', '-7', 'in/unended.txt')
    run.run('tail', '-n', '20', 'in/unended.txt')
    run.run('tail', '-c', '+3000000', 'in/big.bin')
    run.run('tac', 'in/text.txt')
    run.run('split', '-b', '300k', 'in/big.bin', 'bytes-')
    run.run('split', '-n', 'l/5', 'in/text.txt', 'lines-')
    run.run('tee', 'one', 'two', feed=b'to many\n' * 20_000)
    run.run('tee', '-a', 'one', '/dev/full', stdin='in/text.txt', expect=1)
    run.run('wc', 'in/text.txt', 'in/big.bin', 'in/empty')
    run.run('cut', '-d', ' ', '-f', '2,4-', 'in/text.txt')
    run.run('tr', 'a-z', 'A-Z', stdin='in/text.txt')
    run.run('comm', 'in/unended.txt', 'in/text.txt', expect=(0, 1))
    run.run('cmp', 'in/big.bin', 'in/small.bin', expect=1)
    run.run('od', '-A', 'x', '-t', 'x1z', '-j', '1000', '-N', '5000', 'in/big.bin')
    run.run('truncate', '-s', '12345', 'one')
    run.run('sed', '-i', 's/many/few/', 'two')
    run.run('diff', 'in/text.txt', 'in/unended.txt', expect=1)
    run.run('find', 'in/tree/', '-newer', 'in/tree/d0/e0/f1.txt', '-size', '+20k')
