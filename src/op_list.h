/* SPDX-License-Identifier: MIT */
/*
 * The one list of operations: DFTIO_OP(CODE, verb, traits).
 *
 * It makes the enum, the descriptor table, the names, the rows of the statistics and the coverage of the contract
 * tests. Adding one = a line here, a perform_VERB in op.c, perhaps a prep in backends/uring.c, and a contract case
 * (the suite fails without). No include guard: it is included once per use.
 */
DFTIO_OP(READ, read, DFTIO_T_FD | DFTIO_T_IN | DFTIO_T_MOVES_POS)
DFTIO_OP(WRITE, write, DFTIO_T_FD | DFTIO_T_OUT | DFTIO_T_MOVES_POS)
DFTIO_OP(PREAD, pread, DFTIO_T_FD | DFTIO_T_IN)
DFTIO_OP(PWRITE, pwrite, DFTIO_T_FD | DFTIO_T_OUT)
DFTIO_OP(READV, readv, DFTIO_T_FD | DFTIO_T_IN | DFTIO_T_MOVES_POS | DFTIO_T_VECTOR)
DFTIO_OP(WRITEV, writev, DFTIO_T_FD | DFTIO_T_OUT | DFTIO_T_MOVES_POS | DFTIO_T_VECTOR)
DFTIO_OP(PREADV, preadv, DFTIO_T_FD | DFTIO_T_IN | DFTIO_T_VECTOR)
DFTIO_OP(PWRITEV, pwritev, DFTIO_T_FD | DFTIO_T_OUT | DFTIO_T_VECTOR)
DFTIO_OP(OPEN, open, DFTIO_T_MAY_WAIT | DFTIO_T_ONCE)
DFTIO_OP(CLOSE, close, DFTIO_T_FD | DFTIO_T_ONCE)
DFTIO_OP(FSYNC, fsync, DFTIO_T_FD | DFTIO_T_ONCE)
DFTIO_OP(FDATASYNC, fdatasync, DFTIO_T_FD | DFTIO_T_ONCE)
DFTIO_OP(FTRUNCATE, ftruncate, DFTIO_T_FD)
DFTIO_OP(FSTAT, fstat, DFTIO_T_FD)
DFTIO_OP(LSEEK, lseek, DFTIO_T_FD)
DFTIO_OP(SENDFILE, sendfile, DFTIO_T_FD | DFTIO_T_MAY_WAIT | DFTIO_T_PIECES)
DFTIO_OP(COPY_FILE_RANGE, copy_file_range, DFTIO_T_FD | DFTIO_T_PIECES)
DFTIO_OP(SYNC_FILE_RANGE, sync_file_range, DFTIO_T_FD | DFTIO_T_ONCE)
DFTIO_OP(ACCEPT, accept, DFTIO_T_FD | DFTIO_T_IN | DFTIO_T_MAY_WAIT)
DFTIO_OP(RECV, recv, DFTIO_T_FD | DFTIO_T_IN | DFTIO_T_MAY_WAIT)
DFTIO_OP(SEND, send, DFTIO_T_FD | DFTIO_T_OUT | DFTIO_T_MAY_WAIT)
DFTIO_OP(CONNECT, connect, DFTIO_T_FD | DFTIO_T_OUT | DFTIO_T_MAY_WAIT | DFTIO_T_ONCE)
DFTIO_OP(POLL, poll, DFTIO_T_FD | DFTIO_T_MAY_WAIT)
DFTIO_OP(SLEEP, sleep, DFTIO_T_MAY_WAIT)
