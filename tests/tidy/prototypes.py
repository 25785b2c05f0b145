# SPDX-License-Identifier: MIT
"""Which functions of libc take or make a descriptor, as its headers and its exports tell.

Three sources, because none is enough:
  - the prototypes in the system headers, where a parameter is named like a descriptor;
  - three short lists of names whose prototypes do not show it;
  - the names that libc exports as aliases of either: __NAME, NAME64, __NAME_chk, __NAME_2, __libc_NAME and the like.
"""

import re
import subprocess
from pathlib import Path

import csource
from symbols import output_of

# Those of glibc beside sys/, of which all are read.
HEADERS = '''aio arpa/inet dirent err error execinfo fcntl fts ftw glob grp ifaddrs mntent mqueue net/if netdb
netinet/ether netinet/in poll pty pwd resolv sched semaphore sgtty shadow signal spawn stdio stdio_ext stdlib syslog
termios time ttyent ulimit unistd utime utmp utmpx wait wchar wordexp'''.split()
# As the headers declare them, and as a fortified program sees them.
FLAGS = ([], ['-O2', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2'])

# How glibc names a parameter that is a descriptor: __fd, __fd2, __dfd, __out_fd, __readfds, __fildes ... Some names
# (preadv2 has int __fp, getsourcefilter int __s) mean one only where the type is int.
DESCRIPTOR = re.compile(r'_*(\w*fds?\d?|fildes|fdin|fdout|fd2p|mqdes|pipedes)')
DESCRIPTOR_IF_INT = re.compile(r'_*(s|fp|cgroup)')

# Return a descriptor, or put it where the prototype does not say so.
MAKERS = '''creat dirfd epoll_create epoll_create1 eventfd fanotify_init fileno fileno_unlocked forkpty fsopen getpt
inotify_init inotify_init1 memfd_create mkostemp mkostemps mkstemp mkstemps mq_open open openpty perf_event_open
pidfd_open posix_openpt rresvport rresvport_af shm_open socket timerfd_create userfaultfd'''.split()
# Take one in a structure, or among arguments of any type.
HOLDERS = '''aio_cancel aio_error aio_fsync aio_read aio_return aio_suspend aio_write lio_listio syscall'''.split()
# Take one, and are exported for old programs alone: no header declares them any more.
UNDECLARED = '''__fxstat __fxstatat __xmknodat clnttcp_create clntudp_bufcreate clntudp_create clntunix_create
fattach getmsg getpmsg gtty isastream llseek putmsg putpmsg stty svc_getreq svc_getreq_common svc_getreq_poll
svc_getreqset svcfd_create svctcp_create svcudp_bufcreate svcudp_create svcunix_create svcunixfd_create'''.split()


def headers_of(cc):
    """The names of the headers to read, with every one in sys/, so that a new glibc's new ones are read too."""
    rule = output_of(*cc, '-M', '-x', 'c', '-', input='#include <sys/types.h>\n')
    folder = Path(re.search(r'(\S+/sys)/types\.h', rule)[1])
    return HEADERS + sorted(f'sys/{h.stem}' for h in folder.glob('*.h'))


def preprocess(cc, flags, headers):
    """The headers as the compiler sees them. One that cannot be read is left out, the others are not lost with it."""
    text = ''.join(f'#if __has_include(<{h}.h>)\n#include <{h}.h>\n#endif\n' for h in headers) + 'int tidy_end;\n'
    done = subprocess.run([*cc, *flags, '-D_GNU_SOURCE', '-E', '-P', '-x', 'c', '-'], input=text, capture_output=True,
                          encoding='utf-8', errors='replace')
    if 'int tidy_end;' in done.stdout:
        return done.stdout
    if len(headers) == 1:
        return ''
    half = len(headers) // 2
    return preprocess(cc, flags, headers[:half]) + preprocess(cc, flags, headers[half:])


def outside_braces(text):
    """The text at file level, with ';' for each body."""
    kept, depth, start = [], 0, 0
    for m in re.finditer(r'[{}]', text):
        if m[0] == '{':
            if depth == 0:
                kept.append(text[start:m.start()])
            depth += 1
        else:
            depth -= 1
            start = m.end()
    kept.append(text[start:])
    return ';'.join(kept)


def parameter_is_descriptor(parameter):
    words = re.findall(r'\w+', re.sub(r'\[.*', '', parameter).replace('__restrict', ''))
    if len(words) < 2:
        return False
    return bool(DESCRIPTOR.fullmatch(words[-1]) or words[:-1] == ['int'] and DESCRIPTOR_IF_INT.fullmatch(words[-1]))


def declared(text):
    """name -> the parameter that is a descriptor, of every function declared. A redirected one has both its names."""
    # The name that __asm__ redirects to is kept as a word; attributes go.
    text = re.sub(r'__asm__\s*\(((?:\s*"[^"]*")+)\s*\)',
                  lambda m: ' asm_' + ''.join(re.findall(r'"([^"]*)"', m[1])), text)
    text = csource.without_calls(text, r'\b__attribute__')
    found = {}
    for declaration in outside_braces(csource.code_only(text)).split(';'):
        m = re.search(r'(\w+)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*(?:asm_(\w+))?', declaration)
        if not m or 'typedef' in declaration:
            continue
        parameter = next((p for p in m[2].split(',') if parameter_is_descriptor(p)), None)
        if parameter:
            for name in filter(None, (m[1], m[3])):
                found[name] = ' '.join(parameter.split())
    return found


def stem(name):
    """What a name of libc's is an alias of, by the rules of its names: __pread64_chk -> pread."""
    name = re.sub(r'^(__libc_|__)', '', name)
    name = re.sub(r'(_chk|_2|_nocancel)$', '', name)
    return re.sub(r'(64|_time64)(?=(v2)?$)', '', name)


def descriptor_functions(cc, libc):
    """name -> why, of every function that libc exports to programs and that takes or makes a descriptor."""
    found = dict.fromkeys(MAKERS, 'makes a descriptor')
    found |= dict.fromkeys(HOLDERS, 'takes a descriptor in its arguments')
    found |= dict.fromkeys(UNDECLARED, 'takes a descriptor; exported for old programs')
    headers = headers_of(cc)
    for flags in FLAGS:
        found |= {n: f'takes a descriptor, {p}' for n, p in declared(preprocess(cc, flags, headers)).items()}
    stems = {stem(name): name for name in found}
    return {name: found.get(name) or f'by its name an alias of {stems[stem(name)]}'
            for name in libc.public if name in found or stem(name) in stems}
