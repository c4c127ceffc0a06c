/* Which system calls wait for something. */
#include "tracer/syscall.h"

#include <sys/syscall.h>

#define FUTEX_COMMAND 0x7f /* without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME */

static enum syscall_blocking futex_blocking(uint64_t operation) {
    switch (operation & FUTEX_COMMAND) {
    case 0:  /* FUTEX_WAIT */
    case 6:  /* FUTEX_LOCK_PI */
    case 9:  /* FUTEX_WAIT_BITSET */
    case 11: /* FUTEX_WAIT_REQUEUE_PI */
    case 13: /* FUTEX_LOCK_PI2 */
        return BLOCKING_OFTEN;
    default:
        return BLOCKING_NEVER;
    }
}

static enum syscall_blocking fcntl_blocking(uint64_t command) {
    switch (command) {
    case 7:  /* F_SETLKW */
    case 38: /* F_OFD_SETLKW */
        return BLOCKING_OFTEN;
    default:
        return BLOCKING_RARELY;
    }
}

enum syscall_blocking syscall_blocking(const struct syscall_call *call) {
    const struct syscall_row *row = syscall_find(call->number);
    if (!row)
        return BLOCKING_NEVER;
    switch (row->handler) {
    case HANDLER_PLAIN:
    case HANDLER_FILE_WRITE:
    case HANDLER_FILE_TRANSFER:
    case HANDLER_OPEN:
        break;
    default:
        return BLOCKING_NEVER;
    }
    switch (call->number) {
    case SYS_futex:
        return futex_blocking(call->args[1]);
    case SYS_fcntl:
        return fcntl_blocking(call->args[1]);
    case SYS_read:
    case SYS_readv:
    case SYS_pread64:
    case SYS_write:
    case SYS_writev:
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case 441: /* epoll_pwait2 */
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_pause:
    case SYS_rt_sigsuspend:
    case SYS_rt_sigtimedwait:
    case SYS_restart_syscall:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_accept:
    case SYS_accept4:
    case SYS_connect:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_flock:
    case SYS_msgsnd:
    case SYS_msgrcv:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_mq_timedsend:
    case SYS_mq_timedreceive:
    case 449: /* futex_waitv */
    case 455: /* futex_wait */
        return BLOCKING_OFTEN;
    default:
        return BLOCKING_RARELY;
    }
}
