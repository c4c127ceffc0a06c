/* What memory a system call may have written: syscalls.def turned into address ranges.
 *
 * Most of it follows from the rows. The calls whose outputs hang on a command, or are reached through a
 * pointer in memory, have a function each below, in the table `irregular`. */
#include "tracer/constants.h"
#include "tracer/syscall.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/* Numbers by name: the headers of an older distribution do not know them all. */
#define SYSCALL(nr, name, ...) NUMBER_##name = (nr),
#define REFUSED(nr, name, ...) NUMBER_##name = (nr),
#define STOPPED(nr, name, ...) NUMBER_##name = (nr),
enum number {
#include "tracer/syscalls.def"
};

#define SOCKADDR_MOST   128  /* struct sockaddr_storage: the kernel makes no longer address */
#define HANDLE_MOST     128  /* MAX_HANDLE_SZ */
#define IOVECS_MOST     1024 /* UIO_MAXIOV */
#define SEMAPHORES_MOST 65536
#define TRANSFER_MOST   0x7ffff000u /* MAX_RW_COUNT: no call moves more */
#define PAGE            4096u
#define PROBE_FROM      (1u << 20) /* sizes that a program only claims are checked from here on */

/* One call on its way to its ranges. */
struct outputs {
    const struct syscall_call *call;
    const struct memory_reader *memory;
    struct memory_ranges *ranges;
};

/* struct iovec, struct msghdr and struct mmsghdr as the kernel lays them out. */
struct iovec64 {
    uint64_t base, length;
};

struct msghdr64 {
    uint64_t name;
    uint32_t name_length, pad;
    uint64_t iov, iov_count;
    uint64_t control, control_length;
    uint32_t flags, pad2;
};

struct mmsghdr64 {
    struct msghdr64 header;
    uint32_t length, pad;
};

void memory_ranges_deinit(struct memory_ranges *ranges) {
    free(ranges->ranges);
    memset(ranges, 0, sizeof(*ranges));
}

struct error *memory_ranges_add(struct memory_ranges *ranges, uint64_t address, uint64_t size) {
    if (!size)
        return NULL;
    if (ranges->count == ranges->room) {
        size_t room = ranges->room ? 2 * ranges->room : 8;
        struct memory_range *grown = reallocarray(ranges->ranges, room, sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        ranges->ranges = grown;
        ranges->room = room;
    }
    ranges->ranges[ranges->count++] = (struct memory_range){address, size};
    return NULL;
}

static uint64_t lesser(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* How much of a range is there at all, in whole pages. */
static uint64_t readable_part(const struct outputs *o, uint64_t address, uint64_t size) {
    uint64_t done = 0;
    size = lesser(size, TRANSFER_MOST);
    while (done < size) {
        uint8_t byte;
        if (!memory_read_exact(o->memory, address + done, &byte, 1))
            return done;
        done += PAGE - (address + done) % PAGE;
    }
    return size;
}

/* Note that the kernel may have written these bytes. A large size that comes from the program may be nonsense
 * (the kernel stops at the first bad address), so only what exists is noted. */
static struct error *cover(const struct outputs *o, uint64_t address, uint64_t size) {
    if (!address || !size)
        return NULL;
    size = lesser(size, UINT64_MAX - address);
    if (size >= PROBE_FROM)
        size = readable_part(o, address, size);
    return memory_ranges_add(o->ranges, address, size);
}

/* The uint32 at an address; 0 when it cannot be read: then the kernel could not write it either. */
static uint32_t read_u32(const struct outputs *o, uint64_t address) {
    uint32_t value;
    return address && memory_read_exact(o->memory, address, &value, sizeof(value)) ? value : 0;
}

static uint64_t read_u64(const struct outputs *o, uint64_t address) {
    uint64_t value;
    return address && memory_read_exact(o->memory, address, &value, sizeof(value)) ? value : 0;
}

static uint64_t multiply(uint64_t a, uint64_t b) {
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* A copy that hit a bad address may have written what lies before it, and still the call says EFAULT. */
static bool may_be_partial(const struct outputs *o) {
    return o->call->result == -EFAULT;
}

/* A directory entry: its fixed part and a name of 255 bytes, aligned. */
#define DIRENT_MOST 288

static struct error *cover_result(const struct outputs *o, const struct syscall_arg *arg, uint64_t address) {
    uint64_t asked = o->call->args[arg->argument];
    if (may_be_partial(o))
        return cover(o, address, readable_part(o, address, multiply(asked, arg->unit)));
    if (syscall_failed(o->call->result))
        return NULL;
    uint64_t got = lesser((uint64_t)o->call->result, asked);
    /* an entry that does not fit into what is readable is begun all the same */
    if (o->call->number == SYS_getdents || o->call->number == SYS_getdents64)
        got = lesser(got + DIRENT_MOST, asked);
    if (o->call->direct)
        return cover(o, address, asked);
    return address ? memory_ranges_add(o->ranges, address, multiply(got, arg->unit)) : NULL;
}

static struct error *cover_length(const struct outputs *o, const struct syscall_arg *arg, uint64_t address) {
    uint64_t length = read_u32(o, o->call->args[arg->argument]);
    if (arg->type == SHAPE_SOCKADDR)
        return cover(o, address, lesser(length, SOCKADDR_MOST));
    if (syscall_failed(o->call->result) && !may_be_partial(o))
        return NULL;
    return cover(o, address, length);
}

static struct error *cover_bits(const struct outputs *o, const struct syscall_arg *arg, uint64_t address) {
    uint64_t bits = o->call->args[arg->argument];
    if (arg->type == SHAPE_FDSET) {
        /* The number of descriptors is an int; a negative one is refused. */
        if ((int32_t)bits < 0)
            return NULL;
        bits = (uint32_t)bits;
    }
    return cover(o, address, bits / 64 * 8 + (bits % 64 ? 8 : 0));
}

static struct error *cover_string(const struct outputs *o, uint64_t address) {
    uint8_t text[PAGE];
    size_t size = address ? memory_read(o->memory, address, text, sizeof(text)) : 0;
    const uint8_t *end = memchr(text, 0, size);
    return cover(o, address, end ? (uint64_t)(end - text) + 1 : size);
}

/* The first `total` bytes of the buffers that an array of struct iovec names. */
static struct error *cover_iovecs(const struct outputs *o, uint64_t address, uint64_t count, uint64_t total) {
    count = lesser(count, IOVECS_MOST);
    for (uint64_t i = 0; i < count && total; i++) {
        struct iovec64 iov;
        if (!memory_read_exact(o->memory, address + i * sizeof(iov), &iov, sizeof(iov)))
            return NULL;
        uint64_t got = lesser(total, iov.length);
        if (may_be_partial(o))
            TRY(cover(o, iov.base, readable_part(o, iov.base, got)));
        else
            TRY(cover(o, iov.base, got));
        total -= got;
    }
    return NULL;
}

/* Bytes that a call which counts them may have brought. */
static uint64_t transferred(const struct outputs *o) {
    if (may_be_partial(o) || o->call->direct)
        return INT64_MAX;
    return syscall_failed(o->call->result) ? 0 : (uint64_t)o->call->result;
}

/* A struct msghdr at an address that was filled in, with that many bytes in its buffers. */
static struct error *cover_message(const struct outputs *o, uint64_t address, uint64_t total) {
    struct msghdr64 header;
    if (!memory_read_exact(o->memory, address, &header, sizeof(header)))
        return NULL;
    TRY(cover(o, address, sizeof(header)));
    TRY(cover(o, header.name, lesser(header.name_length, SOCKADDR_MOST)));
    TRY(cover(o, header.control, header.control_length));
    return cover_iovecs(o, header.iov, header.iov_count, total);
}

static struct error *cover_messages(const struct outputs *o, uint64_t address) {
    uint64_t count = transferred(o);
    if (may_be_partial(o))
        count = 1;
    count = lesser(count, IOVECS_MOST);
    if (o->call->number == NUMBER_sendmmsg) /* writes msg_len alone */
        return cover(o, address, count * sizeof(struct mmsghdr64));
    for (uint64_t i = 0; i < count; i++) {
        struct mmsghdr64 message;
        uint64_t at = address + i * sizeof(message);
        if (!memory_read_exact(o->memory, at, &message, sizeof(message)))
            return NULL;
        TRY(cover(o, at, sizeof(message)));
        TRY(cover_message(o, at, may_be_partial(o) ? INT64_MAX : message.length));
    }
    return NULL;
}

/* Results that say that nothing understood the request, so that nothing was done. */
static bool proves_nothing_done(int64_t result) {
    return result == -ENOTTY || result == -EBADF || result == -ENOSYS || result == -515; /* ENOIOCTLCMD */
}

static struct error *unsupported(const struct outputs *o, const char *what, uint64_t number) {
    return error_new(ERROR_UNSUPPORTED,
                     "%s(0x%" PRIx64 "): reel does not know what it writes (result %" PRId64 ")", what,
                     number, o->call->result);
}

static struct error *cover_request(const struct outputs *o, const struct request *request, uint64_t address) {
    if (request->direction != ARG_OUT && request->direction != ARG_INOUT)
        return NULL;
    return cover(o, address, request->size);
}

static struct error *cover_fcntl(const struct outputs *o, uint64_t address) {
    struct request request;
    if (fcntl_find(o->call->args[1], &request))
        return cover_request(o, &request, address);
    if (o->call->result == -EINVAL || proves_nothing_done(o->call->result))
        return NULL;
    return unsupported(o, "fcntl", (uint32_t)o->call->args[1]);
}

/* prctl(2) takes options that no module can add to: EINVAL proves that the kernel does not know it. */
static struct error *cover_prctl(const struct outputs *o, uint64_t address) {
    const uint64_t *args = o->call->args;
    struct request request;
    if (!prctl_find(args[0], &request)) {
        if (o->call->result == -EINVAL || proves_nothing_done(o->call->result))
            return NULL;
        return unsupported(o, "prctl", (uint32_t)args[0]);
    }
    if (request.number == 35 && args[1] == 15) /* PR_SET_MM, PR_SET_MM_MAP_SIZE */
        return cover(o, args[2], 4);
    if (request.number == 62 && args[1] == 0) /* PR_SCHED_CORE, PR_SCHED_CORE_GET */
        return cover(o, args[4], 8);
    if (request.number == 0x41555856) /* PR_GET_AUXV */
        return cover(o, address, may_be_partial(o) ? args[2] : lesser(transferred(o), args[2]));
    return cover_request(o, &request, address);
}

/* struct fiemap: fm_mapped_extents at 20, 56 bytes each from 32 on. */
static struct error *cover_fiemap(const struct outputs *o, uint64_t address) {
    return cover(o, address + 32, multiply(read_u32(o, address + 20), 56));
}

/* struct file_dedupe_range: u16 dest_count at 16, 32 bytes each from 24 on. */
static struct error *cover_dedupe(const struct outputs *o, uint64_t address) {
    return cover(o, address + 24, multiply(read_u32(o, address + 16) & 0xffff, 32));
}

/* struct procmap_query: the sizes of name and build id at 80 and 84, where they go at 88 and 96. */
static struct error *cover_procmap(const struct outputs *o, uint64_t address) {
    TRY(cover(o, read_u64(o, address + 88), read_u32(o, address + 80)));
    return cover(o, read_u64(o, address + 96), read_u32(o, address + 84));
}

/* struct pm_scan_arg: the array at 40, its count at 48, 24 bytes each. */
static struct error *cover_pagemap(const struct outputs *o, uint64_t address) {
    return cover(o, read_u64(o, address + 40), multiply(read_u64(o, address + 48), 24));
}

/* struct ifconf: the length at 0, the buffer at 8. */
static struct error *cover_ifconf(const struct outputs *o, uint64_t address) {
    return cover(o, read_u64(o, address + 8), read_u32(o, address));
}

/* struct ifreq: the pointer at 16. What it points to begins with a command. */
static struct error *cover_ethtool(const struct outputs *o, uint64_t address) {
    uint64_t data = read_u64(o, address + 16);
    uint32_t command = read_u32(o, data);
    switch (command) {
    case 0x01: /* ETHTOOL_GSET */
        return cover(o, data, 44);
    case 0x03: /* ETHTOOL_GDRVINFO */
        return cover(o, data, 196);
    case 0x05: /* ETHTOOL_GWOL */
        return cover(o, data, 20);
    case 0x0a: /* ETHTOOL_GLINK */
        return cover(o, data, 8);
    case 0x4c: /* ETHTOOL_GLINKSETTINGS: three bit maps of up to 127 words follow */
        return cover(o, data, 48 + 3 * 127 * 4);
    default:
        if (o->call->result == -ENODEV || o->call->result == -EFAULT || o->call->result == -EOPNOTSUPP ||
            proves_nothing_done(o->call->result))
            return NULL;
        return unsupported(o, "ioctl SIOCETHTOOL", command);
    }
}

static struct error *cover_ioctl(const struct outputs *o, uint64_t address) {
    struct request request;
    if (!ioctl_find(o->call->args[1], &request)) {
        if (proves_nothing_done(o->call->result))
            return NULL;
        return unsupported(o, "ioctl", (uint32_t)o->call->args[1]);
    }
    TRY(cover_request(o, &request, address));
    switch (request.number) {
    case 0x8912:
        return cover_ifconf(o, address);
    case 0x8946:
        return cover_ethtool(o, address);
    case 0xC020660B:
    case 0xC020662A:
        return cover_fiemap(o, address);
    case 0xC0189436:
        return cover_dedupe(o, address);
    case 0xC0686611:
        return cover_procmap(o, address);
    case 0xC0606610:
        return cover_pagemap(o, address);
    default:
        return NULL;
    }
}

static struct error *cover_by_type(const struct outputs *o, const struct syscall_arg *arg, uint64_t address,
                                   uint64_t next) {
    switch (arg->type) {
    case SHAPE_IOVEC:
        return cover_iovecs(o, address, next, transferred(o));
    case SHAPE_MSGHDR:
        if (syscall_failed(o->call->result) && !may_be_partial(o))
            return NULL;
        return cover_message(o, address, transferred(o));
    case SHAPE_MMSGHDR:
        return cover_messages(o, address);
    case SHAPE_IOCTL:
        return cover_ioctl(o, address);
    case SHAPE_FCNTL:
        return cover_fcntl(o, address);
    case SHAPE_PRCTL:
        return cover_prctl(o, address);
    default: /* SHAPE_SPECIAL: its row in `irregular` does it */
        return NULL;
    }
}

static struct error *cover_arg(const struct outputs *o, const struct syscall_row *row, unsigned index) {
    const struct syscall_arg *arg = &row->args[index];
    uint64_t address = o->call->args[index];
    if (arg->direction != ARG_OUT && arg->direction != ARG_INOUT)
        return NULL;
    switch (arg->rule) {
    case SIZE_NONE:
        return cover_by_type(o, arg, address, index + 1 < SYSCALL_ARGS ? o->call->args[index + 1] : 0);
    case SIZE_FIXED:
        return cover(o, address, arg->unit);
    case SIZE_RESULT:
        return cover_result(o, arg, address);
    case SIZE_ARG:
        return cover(o, address, multiply(o->call->args[arg->argument], arg->unit));
    case SIZE_LENGTH:
        return cover_length(o, arg, address);
    case SIZE_PAGES:
        return cover(o, address, o->call->args[arg->argument] / PAGE + 1);
    case SIZE_BITS:
        return cover_bits(o, arg, address);
    case SIZE_STRING:
        return cover_string(o, address);
    }
    return NULL;
}

/* The futex words that the kernel itself changes: those with owners, and the target of WAKE_OP. Priority
 * inheritance is given on by whoever unlocks, so each word is covered by the call that changed it. */
static struct error *outputs_futex(const struct outputs *o) {
    switch (o->call->args[1] & 0x7f) {
    case 5:  /* FUTEX_WAKE_OP */
    case 6:  /* FUTEX_LOCK_PI */
    case 7:  /* FUTEX_UNLOCK_PI */
    case 8:  /* FUTEX_TRYLOCK_PI */
    case 11: /* FUTEX_WAIT_REQUEUE_PI */
    case 12: /* FUTEX_CMP_REQUEUE_PI */
    case 13: /* FUTEX_LOCK_PI2 */
        TRY(cover(o, o->call->args[0], 4));
        return cover(o, o->call->args[4], 4);
    default:
        return NULL;
    }
}

/* struct clone_args: pidfd at 8, child_tid at 16, parent_tid at 24. */
static struct error *outputs_clone3(const struct outputs *o) {
    for (unsigned offset = 8; offset <= 24; offset += 8)
        TRY(cover(o, read_u64(o, o->call->args[0] + offset), 4));
    return NULL;
}

/* struct msgbuf: a long and then the result. */
static struct error *outputs_msgrcv(const struct outputs *o) {
    if (syscall_failed(o->call->result) && !may_be_partial(o))
        return NULL;
    uint64_t size = lesser(lesser(transferred(o), o->call->args[2]), INT64_MAX);
    return cover(o, o->call->args[1], 8 + size);
}

/* IPC_RMID and IPC_SET write nothing, IPC_64 (256) is only a mark, the rest fill in a struct. */
static bool ipc_writes(uint64_t command) {
    return (command & ~256u & UINT32_MAX) >= 2;
}

static struct error *outputs_msgctl(const struct outputs *o) {
    return ipc_writes(o->call->args[1]) ? cover(o, o->call->args[2], 120) : NULL; /* struct msqid64_ds */
}

static struct error *outputs_shmctl(const struct outputs *o) {
    return ipc_writes(o->call->args[1]) ? cover(o, o->call->args[2], 112) : NULL; /* struct shmid64_ds */
}

static struct error *outputs_semctl(const struct outputs *o) {
    uint64_t address = o->call->args[3];
    switch (o->call->args[2] & ~256u & UINT32_MAX) {
    case 13: /* GETALL: as many as the set has, which the call does not say */
        return cover(o, address, readable_part(o, address, 2 * SEMAPHORES_MOST));
    case 2:                            /* IPC_STAT */
    case 3:                            /* IPC_INFO */
    case 18:                           /* SEM_STAT */
    case 19:                           /* SEM_INFO */
    case 20:                           /* SEM_STAT_ANY */
        return cover(o, address, 104); /* struct semid64_ds, the largest */
    default:                           /* the argument is a value */
        return NULL;
    }
}

/* struct file_handle: handle_bytes, handle_type, and handle_bytes bytes; they are what the kernel wants to
 * say when the call failed with EOVERFLOW. */
static struct error *outputs_name_to_handle_at(const struct outputs *o) {
    uint64_t address = o->call->args[2];
    return cover(o, address, 8 + lesser(read_u32(o, address), HANDLE_MOST));
}

/* struct xattr_args: value at 0, size at 8. */
static struct error *outputs_getxattrat(const struct outputs *o) {
    uint64_t size = lesser(transferred(o), read_u32(o, o->call->args[4] + 8));
    return cover(o, read_u64(o, o->call->args[4]), size);
}

static struct error *outputs_arch_prctl(const struct outputs *o) {
    uint64_t address = o->call->args[1];
    switch ((uint32_t)o->call->args[0]) {
    case 0x1003: /* ARCH_GET_FS */
    case 0x1004: /* ARCH_GET_GS */
    case 0x1021: /* ARCH_GET_XCOMP_SUPP */
    case 0x1022: /* ARCH_GET_XCOMP_PERM */
    case 0x1024: /* ARCH_GET_XCOMP_GUEST_PERM */
    case 0x4001: /* ARCH_GET_UNTAG_MASK */
    case 0x4003: /* ARCH_GET_MAX_TAG_BITS */
    case 0x5005: /* ARCH_SHSTK_STATUS */
        return cover(o, address, 8);
    case 0x1001: /* ARCH_SET_GS */
    case 0x1002: /* ARCH_SET_FS */
    case 0x1011: /* ARCH_GET_CPUID */
    case 0x1012: /* ARCH_SET_CPUID */
    case 0x1023: /* ARCH_REQ_XCOMP_PERM */
    case 0x1025: /* ARCH_REQ_XCOMP_GUEST_PERM */
    case 0x2001: /* ARCH_MAP_VDSO_X32 */
    case 0x2002: /* ARCH_MAP_VDSO_32 */
    case 0x2003: /* ARCH_MAP_VDSO_64 */
    case 0x4002: /* ARCH_ENABLE_TAGGED_ADDR */
    case 0x4004: /* ARCH_FORCE_TAGGED_SVA */
    case 0x5001: /* ARCH_SHSTK_ENABLE */
    case 0x5002: /* ARCH_SHSTK_DISABLE */
    case 0x5003: /* ARCH_SHSTK_LOCK */
    case 0x5004: /* ARCH_SHSTK_UNLOCK */
        return NULL;
    default:
        if (o->call->result == -EINVAL || proves_nothing_done(o->call->result))
            return NULL;
        return unsupported(o, "arch_prctl", (uint32_t)o->call->args[0]);
    }
}

static struct error *outputs_seccomp(const struct outputs *o) {
    if ((uint32_t)o->call->args[0] == 3) /* SECCOMP_GET_NOTIF_SIZES */
        return cover(o, o->call->args[2], 6);
    return NULL;
}

static struct error *outputs_keyctl(const struct outputs *o) {
    const uint64_t *args = o->call->args;
    switch ((uint32_t)args[0]) {
    case 6:  /* KEYCTL_DESCRIBE */
    case 11: /* KEYCTL_READ */
    case 17: /* KEYCTL_GET_SECURITY */
    case 23: /* KEYCTL_DH_COMPUTE */
        return cover(o, args[2], lesser(transferred(o), args[3]));
    case 24: /* KEYCTL_PKEY_QUERY */
        return cover(o, args[4], 56);
    case 25: /* KEYCTL_PKEY_ENCRYPT */
    case 26: /* KEYCTL_PKEY_DECRYPT */
    case 27: /* KEYCTL_PKEY_SIGN */
        return cover(o, args[4], lesser(transferred(o), read_u32(o, args[1] + 8)));
    case 31: /* KEYCTL_CAPABILITIES: what it does not fill it clears */
        return cover(o, args[1], args[2]);
    default:
        return NULL;
    }
}

/* A load that the verifier refuses explains itself in a log: BPF_PROG_LOAD and BPF_BTF_LOAD. */
static struct error *outputs_bpf(const struct outputs *o) {
    uint64_t attr = o->call->args[1];
    TRY(cover(o, attr, (uint32_t)o->call->args[2]));
    if ((uint32_t)o->call->args[0] == 5)
        return cover(o, read_u64(o, attr + 32), read_u32(o, attr + 28));
    if ((uint32_t)o->call->args[0] == 18)
        return cover(o, read_u64(o, attr + 8), read_u32(o, attr + 20));
    return NULL;
}

static struct error *outputs_getsockopt(const struct outputs *o) {
    const uint64_t *args = o->call->args;
    int32_t level = (int32_t)args[1];
    int32_t option = (int32_t)args[2];
    if (syscall_failed(o->call->result))
        return NULL;
    if (level == 1 && option == 26) /* SO_GET_FILTER counts instructions, not bytes */
        return cover(o, args[3], multiply(read_u32(o, args[4]), 8));
    if (level == 6 && option == 35) /* TCP_ZEROCOPY_RECEIVE maps pages */
        return unsupported(o, "getsockopt TCP_ZEROCOPY_RECEIVE", 35);
    if (level == 284 && option == 4) /* follows pointers */
        return unsupported(o, "getsockopt MPTCP_FULL_INFO", 4);
    return NULL;
}

/* Options that hand memory to the kernel for good, or make it write through a pointer in the value. */
static struct error *outputs_setsockopt(const struct outputs *o) {
    int32_t level = (int32_t)o->call->args[1];
    int32_t option = (int32_t)o->call->args[2];
    if (syscall_failed(o->call->result))
        return NULL;
    if (level == 283 && option == 4)
        return unsupported(o, "setsockopt XDP_UMEM_REG", 4);
    if (level == 263 && option == 5)
        return unsupported(o, "setsockopt PACKET_RX_RING", 5);
    if (level == 263 && option == 13)
        return unsupported(o, "setsockopt PACKET_TX_RING", 13);
    if (level == 276 && (option == 2 || option == 7))
        return unsupported(o, "setsockopt RDS_GET_MR", (uint32_t)option);
    if ((level == 0 || level == 41) && option == 64)
        return unsupported(o, "setsockopt IPT_SO_SET_REPLACE", 64);
    if (level == 0 && (option == 96 || option == 128))
        return unsupported(o, "setsockopt ARPT_SO_SET_REPLACE", (uint32_t)option);
    return NULL;
}

typedef struct error *outputs_function(const struct outputs *o);

/* Calls that their rows do not describe in full. */
static outputs_function *const irregular[] = {
    [NUMBER_futex] = outputs_futex,
    [NUMBER_clone3] = outputs_clone3,
    [NUMBER_msgrcv] = outputs_msgrcv,
    [NUMBER_msgctl] = outputs_msgctl,
    [NUMBER_shmctl] = outputs_shmctl,
    [NUMBER_semctl] = outputs_semctl,
    [NUMBER_name_to_handle_at] = outputs_name_to_handle_at,
    [NUMBER_getxattrat] = outputs_getxattrat,
    [NUMBER_arch_prctl] = outputs_arch_prctl,
    [NUMBER_seccomp] = outputs_seccomp,
    [NUMBER_keyctl] = outputs_keyctl,
    [NUMBER_bpf] = outputs_bpf,
    [NUMBER_getsockopt] = outputs_getsockopt,
    [NUMBER_setsockopt] = outputs_setsockopt,
};

/* The array of struct iovec that is read after the call, too. */
static struct error *keep_iovecs(const struct outputs *o, uint64_t address, uint64_t count) {
    return memory_ranges_add(o->ranges, address, lesser(count, IOVECS_MOST) * sizeof(struct iovec64));
}

static struct error *keep_message(const struct outputs *o, uint64_t address) {
    struct msghdr64 header;
    if (!memory_read_exact(o->memory, address, &header, sizeof(header)))
        return NULL;
    TRY(memory_ranges_add(o->ranges, address, sizeof(header)));
    return keep_iovecs(o, header.iov, header.iov_count);
}

static struct error *keep_arg(const struct outputs *o, const struct syscall_row *row, unsigned index) {
    const struct syscall_arg *arg = &row->args[index];
    uint64_t address = o->call->args[index];
    uint64_t count = index + 1 < SYSCALL_ARGS ? o->call->args[index + 1] : 0;
    if (arg->rule != SIZE_NONE || (arg->direction != ARG_OUT && arg->direction != ARG_INOUT))
        return NULL;
    switch (arg->type) {
    case SHAPE_IOVEC:
        return keep_iovecs(o, address, count);
    case SHAPE_MSGHDR:
        return keep_message(o, address);
    case SHAPE_MMSGHDR: /* not the length, which is an output */
        if (o->call->number == NUMBER_sendmmsg)
            return NULL;
        for (uint64_t i = 0; i < lesser(count, IOVECS_MOST); i++)
            TRY(keep_message(o, address + i * sizeof(struct mmsghdr64)));
        return NULL;
    default:
        return NULL;
    }
}

struct error *syscall_vectors(const struct syscall_call *call, const struct memory_reader *memory,
                              struct memory_ranges *ret) {
    const struct syscall_row *row = syscall_find(call->number);
    const struct outputs o = {call, memory, ret};
    for (unsigned i = 0; row && i < row->arg_count; i++)
        TRY(keep_arg(&o, row, i));
    return NULL;
}

struct error *syscall_outputs(const struct syscall_call *call, const struct memory_reader *memory,
                              struct memory_ranges *ret) {
    const struct syscall_row *row = syscall_find(call->number);
    const struct outputs o = {call, memory, ret};
    if (call->result == -ENOSYS)
        return NULL; /* there is no such call, whatever it is */
    if (!row)
        return unsupported(&o, "syscall", call->number);
    for (unsigned i = 0; i < row->arg_count; i++)
        TRY(cover_arg(&o, row, i));
    if (call->number < sizeof(irregular) / sizeof(irregular[0]) && irregular[call->number])
        return irregular[call->number](&o);
    return NULL;
}
