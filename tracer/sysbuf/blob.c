/* blob: the code that reel puts into a program so that its system calls need no stop. Linked at SYSBUF_CODE
 * (blob.ld), freestanding, without data of its own: all state is in struct sysbuf_data.
 *
 * A patched call site jumps to its slot (tracer/sysbuf.h), which keeps rsp in the block, takes the blob's
 * stack and calls the hook. The hook leaves all registers as the kernel would, and goes on where block.target
 * says. One thread of a process runs at a time, and signals are held back until the hook is left, so one
 * block does. */
#include "tracer/sysbuf/shared.h"

#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/magic.h>

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_SCALAR
#include <xxhash.h>

#define DATA ((struct sysbuf_data *)SYSBUF_DATA)

#define EFAULT         14
#define TRAP_FLAG      0x100ull
#define RESUME_FLAG    0x10000ull
#define ALIGNMENT_FLAG 0x40000ull
#define NO_CALL        (uint64_t) - 38 /* -ENOSYS: what rax is at the entry */
#define BYTES_MOST     0x40000ull      /* output, or written, of one call; more is left to a stop */
#define DIRENT_MOST    288u            /* tracer/outputs.c */
#define PAGE           0x1000ull
#define VECTORS_MOST   16

enum { GET_MODES = 0x5401, GET_WINDOW_SIZE = 0x5413, MODES_SIZE = 36, WINDOW_SIZE = 8 }; /* ioctls.def */
enum { FUTEX_WAKE = 1, FUTEX_WAKE_BITSET = 10, FUTEX_FLAGS = 128 | 256 };

/* Where the call reads or writes, if it takes vectors. */
struct vectors {
    uint32_t count;
    struct {
        uint64_t address, size;
    } at[VECTORS_MOST];
};

/* The registers are saved in the order of struct sysbuf_registers. rsp is taken from the block at the end,
 * the address that the slot has pushed is dropped with it. */
__asm__(
    ".section .entry, \"ax\"\n"
    "    syscall\n"
    "    ret\n"
    "    .balign 16\n"
    ".globl sysbuf_entry\n"
    "sysbuf_entry:\n" /* SYSBUF_HOOK */
    "    pushfq\n"
    "    cld\n"
    "    push %rax\n    push %rcx\n    push %rdx\n    push %rbx\n    push %rbp\n    push %rsi\n    push "
    "%rdi\n"
    "    push %r8\n    push %r9\n    push %r10\n    push %r11\n    push %r12\n    push %r13\n    push %r14\n"
    "    push %r15\n"
    "    mov %rsp, %rdi\n"
    "    mov 128(%rsp), %rsi\n"
    "    call sysbuf_hook\n"
    "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %r11\n    pop %r10\n    pop %r9\n    "
    "pop %r8\n"
    "    pop %rdi\n    pop %rsi\n    pop %rbp\n    pop %rbx\n    pop %rdx\n    pop %rcx\n    pop %rax\n"
    "    popfq\n"
    "    mov 0x34000, %rsp\n"
    "    jmp *0x34008\n"
    ".text\n");
_Static_assert(SYSBUF_DATA == 0x34000, "the addresses of block.rsp and block.target above");

static int64_t make(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
    int64_t result;
    // cppcheck-suppress constStatement
    register uint64_t r10 __asm__("r10") = d;
    // cppcheck-suppress constStatement
    register uint64_t r8 __asm__("r8") = e;
    // cppcheck-suppress constStatement
    register uint64_t r9 __asm__("r9") = f;
    uint64_t instruction = SYSBUF_SYSCALL;
    __asm__ volatile("call *%[instruction]"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9), [instruction] "r"(instruction)
                     : "rcx", "r11", "memory");
    return result;
}

/* The program's call. */
static int64_t make_call(const struct sysbuf_registers *regs) {
    return make(regs->rax, regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9);
}

/* A call of the hook's own, with another number than the program's: record_sysbuf.c tells them apart so. */
static int64_t make_own(uint64_t number, uint64_t a, uint64_t b, uint64_t c) {
    return make(number, a, b, c, 0, 0, 0);
}

static uint64_t argument(const struct sysbuf_registers *regs, unsigned index) {
    switch (index) {
    case 0:
        return regs->rdi;
    case 1:
        return regs->rsi;
    case 2:
        return regs->rdx;
    case 3:
        return regs->r10;
    case 4:
        return regs->r8;
    default:
        return regs->r9;
    }
}

static void copy(void *to, const void *from, uint64_t size) {
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

static int has_fd(uint64_t fd, unsigned what) {
    return (uint32_t)fd < SYSBUF_FDS && (DATA->fds[(uint32_t)fd] & what);
}

/* Whether it waits or not. */
static int may_use(uint64_t fd, unsigned ready, unsigned waits) {
    return has_fd(fd, DATA->block.alone ? ready | waits : ready);
}

static int is_wake(uint32_t operation) {
    return operation == FUTEX_WAKE || operation == FUTEX_WAKE_BITSET;
}

static int is_wanted(const struct sysbuf_registers *regs, const struct sysbuf_call *call) {
    if (call->null && argument(regs, call->null - 1u))
        return 0;
    switch (call->how) {
    case SYSBUF_MAKE:
        return 1;
    case SYSBUF_READ:
    case SYSBUF_READ_VECTOR:
        return may_use(regs->rdi, SYSBUF_FD_READ, SYSBUF_FD_WAIT_READ);
    case SYSBUF_WRITE:
    case SYSBUF_WRITE_VECTOR:
        return may_use(regs->rdi, SYSBUF_FD_WRITE, SYSBUF_FD_WAIT_WRITE) && regs->rdx <= BYTES_MOST;
    case SYSBUF_WAIT:
        return (int)DATA->block.alone;
    case SYSBUF_CLOSE:
        return (uint32_t)regs->rdi < SYSBUF_FDS;
    case SYSBUF_OPEN:
        return !(regs->rsi & O_TRUNC);
    case SYSBUF_OPEN_AT:
        return !(regs->rdx & O_TRUNC);
    case SYSBUF_FCNTL: /* F_GETFD, F_SETFD, F_GETFL */
        return (uint32_t)regs->rsi >= 1 && (uint32_t)regs->rsi <= 3;
    case SYSBUF_FUTEX:
        return is_wake((uint32_t)regs->rsi & ~(uint32_t)FUTEX_FLAGS);
    case SYSBUF_IOCTL:
        return (uint32_t)regs->rsi == GET_MODES || (uint32_t)regs->rsi == GET_WINDOW_SIZE;
    default:
        return 0;
    }
}

/* Bytes of an output; `most` before the call, when its result is not known. */
static uint64_t output_size(const struct sysbuf_registers *regs, const struct sysbuf_output *output,
                            uint64_t result) {
    uint64_t limit = argument(regs, output->argument);
    switch (output->rule) {
    case SYSBUF_FIXED:
        return output->unit;
    case SYSBUF_TERMINAL:
        return (uint32_t)regs->rsi == GET_MODES ? MODES_SIZE : WINDOW_SIZE;
    case SYSBUF_RESULT:
        limit = result < limit ? result : limit;
        break;
    case SYSBUF_DIRENTS:
        limit = result < limit && limit - result > DIRENT_MOST ? result + DIRENT_MOST : limit;
        break;
    default:
        break;
    }
    return limit > BYTES_MOST ? BYTES_MOST + 1 : limit * output->unit;
}

/* Room for all that the call may bring; 0: too much for a record. */
static uint64_t needed(const struct sysbuf_registers *regs, const struct sysbuf_call *call,
                       const struct vectors *vectors) {
    uint64_t sum = sizeof(struct sysbuf_record) + sizeof(struct sysbuf_bytes) + 8 + sizeof(*vectors);
    for (uint32_t i = 0; i < vectors->count; i++) {
        if (vectors->at[i].size > BYTES_MOST)
            return 0;
        sum += sizeof(struct sysbuf_bytes) + vectors->at[i].size + 8;
    }
    for (unsigned i = 0; i < SYSBUF_OUTPUTS; i++) {
        const struct sysbuf_output *output = &call->outputs[i];
        if (!output->index || !argument(regs, output->index - 1u))
            continue;
        uint64_t size = output_size(regs, output, ~0ull);
        if (size > BYTES_MOST)
            return 0;
        sum += sizeof(struct sysbuf_bytes) + size + 8;
    }
    return call->how == SYSBUF_WRITE ? sum + regs->rdx : sum;
}

/* ---- recording ---- */

/* Is there memory that can be read? prlimit64(2) copies the limits before it looks at what they are for. */
static int is_readable(uint64_t address) {
    enum { NO_RESOURCE = 0xffff };
    return make_own(__NR_prlimit64, 0, NO_RESOURCE, address) != -EFAULT;
}

/* The kernel begins an entry behind the last one, and gives up where the program's memory ends. The last
 * one's padding may lie behind that, too. */
static uint64_t readable_entries(uint64_t address, uint64_t size) {
    uint64_t border = (address + size - 1) & ~(PAGE - 1);
    return border <= address || is_readable(border) ? size : border - address;
}

/* A regular file whose reading does not wait, as learn_fd() (replay/record_sysbuf.c) finds it. */
static int is_plain_file(uint64_t fd) {
    struct stat info;
    struct statfs system;
    if (make_own(__NR_fstat, fd, (uint64_t)&info, 0) || (info.st_mode & 0170000) != 0100000 ||
        make_own(__NR_fstatfs, fd, (uint64_t)&system, 0))
        return 0;
    return system.f_type != PROC_SUPER_MAGIC && system.f_type != SYSFS_MAGIC &&
           system.f_type != DEBUGFS_MAGIC && system.f_type != TRACEFS_MAGIC;
}

/* What has been opened for reading alone need not stop at its first read. */
static void learn_opened(const struct sysbuf_call *call, const struct sysbuf_registers *regs, int64_t fd) {
    uint64_t flags = call->how == SYSBUF_OPEN ? regs->rsi : regs->rdx;
    if (fd < 0 || fd >= SYSBUF_FDS || (flags & (O_ACCMODE | O_DIRECT | O_PATH | O_DIRECTORY)))
        return;
    if (!DATA->fds[fd] && is_plain_file((uint64_t)fd))
        DATA->fds[fd] = SYSBUF_FD_READ | SYSBUF_FD_KNOWN;
}

/* Where a record of so many bytes goes, or NULL: the ring is full. */
static struct sysbuf_record *reserve(uint64_t size) {
    struct sysbuf_block *block = &DATA->block;
    uint64_t at = block->head % SYSBUF_RING, left = SYSBUF_RING - at;
    uint64_t tail = *(volatile uint64_t *)&block->tail;
    if (left < size) {
        if (SYSBUF_RING - (block->head - tail) < left + size)
            return 0;
        *(volatile uint32_t *)(DATA->ring + at) = SYSBUF_WRAP;
        *(volatile uint64_t *)&block->head = block->head + left;
        at = 0;
    }
    if (SYSBUF_RING - (block->head - tail) < size)
        return 0;
    return (struct sysbuf_record *)(DATA->ring + at);
}

static void add_bytes(struct sysbuf_record *noted, unsigned kind, uint64_t address, uint64_t size) {
    struct sysbuf_bytes *bytes = (struct sysbuf_bytes *)((uint8_t *)noted + noted->size);
    bytes->address = address;
    bytes->size = (uint32_t)size;
    bytes->kind = kind;
    copy(bytes + 1, (const void *)address, size);
    noted->count++;
    noted->size += (uint32_t)(sizeof(*bytes) + ((size + 7) & ~7ull));
}

static uint64_t read_fs(void) {
    uint64_t base;
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

static uint64_t read_gs(void) {
    uint64_t base;
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

static int has_vectors(const struct sysbuf_call *call) {
    return call->how == SYSBUF_READ_VECTOR || call->how == SYSBUF_WRITE_VECTOR;
}

/* 0: they are too many, or cannot be read. Of memory so small its ends tell. */
static int read_vectors(const struct sysbuf_registers *regs, const struct sysbuf_call *call,
                        struct vectors *ret) {
    enum { SIZE = sizeof(ret->at[0]) };
    ret->count = 0;
    if (!has_vectors(call))
        return 1;
    if (!regs->rdx || regs->rdx > VECTORS_MOST || !is_readable(regs->rsi) ||
        !is_readable(regs->rsi + (regs->rdx - 1) * SIZE))
        return 0;
    ret->count = (uint32_t)regs->rdx;
    copy(ret->at, (const void *)regs->rsi, ret->count * SIZE);
    return 1;
}

static void add_vectors(struct sysbuf_record *noted, const struct sysbuf_registers *regs,
                        const struct sysbuf_call *call, const struct vectors *vectors, uint64_t left) {
    unsigned kind = call->how == SYSBUF_READ_VECTOR ? SYSBUF_MEMORY : SYSBUF_WRITTEN;
    if (kind == SYSBUF_WRITTEN)
        add_bytes(noted, kind, regs->rsi, vectors->count * sizeof(vectors->at[0]));
    for (uint32_t i = 0; i < vectors->count && left; i++) {
        uint64_t size = vectors->at[i].size < left ? vectors->at[i].size : left;
        if (size)
            add_bytes(noted, kind, vectors->at[i].address, size);
        left -= size;
    }
}

static void fill(struct sysbuf_record *noted, const struct sysbuf_registers *regs,
                 const struct sysbuf_call *call, const struct vectors *vectors, uint64_t rip,
                 int64_t result) {
    struct sysbuf_block *block = &DATA->block;
    noted->size = sizeof(*noted);
    noted->count = 0;
    noted->result = result;
    noted->rip = rip;
    noted->rsp = block->rsp;
    copy(&noted->registers, regs, sizeof(*regs));
    noted->fs_base = block->has_bases ? read_fs() : 0;
    noted->gs_base = block->has_bases ? read_gs() : 0;
    if (result < 0 && result >= -4095)
        return;
    for (unsigned i = 0; i < SYSBUF_OUTPUTS; i++) {
        const struct sysbuf_output *output = &call->outputs[i];
        uint64_t address = output->index ? argument(regs, output->index - 1u) : 0;
        uint64_t size = address ? output_size(regs, output, (uint64_t)result) : 0;
        if (size && output->rule == SYSBUF_DIRENTS)
            size = readable_entries(address, size);
        if (size)
            add_bytes(noted, SYSBUF_MEMORY, address, size);
    }
    if (has_vectors(call))
        add_vectors(noted, regs, call, vectors, (uint64_t)result);
    if (call->how == SYSBUF_WRITE)
        add_bytes(noted, SYSBUF_WRITTEN, regs->rsi,
                  (uint64_t)result < regs->rdx ? (uint64_t)result : regs->rdx);
}

static void record(struct sysbuf_registers *regs, const struct sysbuf_slot *slot) {
    struct sysbuf_block *block = &DATA->block;
    if (!*(volatile uint32_t *)&block->enabled || regs->rax >= SYSBUF_CALLS)
        return;
    const struct sysbuf_call *call = &DATA->calls[regs->rax];
    struct vectors vectors;
    if (!is_wanted(regs, call) || !read_vectors(regs, call, &vectors))
        return;
    uint64_t size = needed(regs, call, &vectors);
    struct sysbuf_record *noted = size ? reserve(size) : 0;
    if (!noted)
        return;
    if (call->how == SYSBUF_CLOSE)
        DATA->fds[(uint32_t)regs->rdi] = 0;
    int64_t result = make_call(regs);
    if (result == -EFAULT) /* something may have been written: the stop finds out; nothing has happened yet */
        return;
    if (call->how == SYSBUF_OPEN || call->how == SYSBUF_OPEN_AT)
        learn_opened(call, regs, result);
    fill(noted, regs, call, &vectors, slot->rip, result);
    regs->rax = (uint64_t)result;
    regs->rcx = slot->rip;
    regs->r11 = regs->flags;
    block->target = slot->done;
    block->made++;
    *(volatile uint64_t *)&block->head = block->head + noted->size;
}

/* ---- replaying ---- */

/* What a compiler makes calls of. */
void *memcpy(void *to, const void *from, unsigned long size);
void *memset(void *to, int value, unsigned long size);

void *memcpy(void *to, const void *from, unsigned long size) {
    copy(to, from, size);
    return to;
}

void *memset(void *to, int value, unsigned long size) {
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
    return to;
}

/* registers_hash() (base/registers.c) of the registers as a stop at the call would show them. */
static uint32_t hash_registers(const struct sysbuf_registers *regs, uint64_t rip) {
    const struct sysbuf_block *block = &DATA->block;
    uint64_t flags = regs->flags & ~RESUME_FLAG;
    const uint64_t values[] = {regs->r15, regs->r14, regs->r13,  regs->r12,      regs->rbp,
                               regs->rbx, flags,     regs->r10,  regs->r9,       regs->r8,
                               NO_CALL,   rip,       regs->rdx,  regs->rsi,      regs->rdi,
                               rip,       flags,     block->rsp, block->fs_base, block->gs_base};
    return (uint32_t)XXH3_64bits(values, sizeof(values));
}

/* written_hash() (replay/written.c) of what is at rsi. */
static uint32_t hash_written(const struct sysbuf_registers *regs, uint64_t size) {
    uint32_t hash = (uint32_t)XXH3_64bits((const void *)regs->rsi, size);
    return hash ? hash : 1;
}

static int is_expected(const struct sysbuf_registers *regs, const struct sysbuf_slot *slot,
                       const struct sysbuf_record *wanted) {
    const struct sysbuf_registers *recorded = &wanted->registers;
    return regs->rax == recorded->rax && slot->rip == wanted->rip && regs->rdi == recorded->rdi &&
           regs->rsi == recorded->rsi && regs->rdx == recorded->rdx && regs->r10 == recorded->r10 &&
           regs->r8 == recorded->r8 && regs->r9 == recorded->r9 &&
           hash_registers(regs, slot->rip) == wanted->registers_hash &&
           (!wanted->written_hash || hash_written(regs, (uint64_t)wanted->result) == wanted->written_hash);
}

/* What the next record is, or 0. */
static const struct sysbuf_record *next_wanted(void) {
    struct sysbuf_block *block = &DATA->block;
    if (block->tail == block->head)
        return 0;
    const struct sysbuf_record *wanted =
        (const struct sysbuf_record *)(DATA->ring + block->tail % SYSBUF_RING);
    if (wanted->size != SYSBUF_WRAP)
        return wanted;
    block->tail += SYSBUF_RING - block->tail % SYSBUF_RING;
    return block->tail == block->head ? 0 : (const struct sysbuf_record *)DATA->ring;
}

/* A call that is not the expected one goes on as if there were no hook: the replayer compares, and tells. */
static void replay(struct sysbuf_registers *regs, const struct sysbuf_slot *slot) {
    struct sysbuf_block *block = &DATA->block;
    const struct sysbuf_record *wanted = next_wanted();
    if (!wanted || !is_expected(regs, slot, wanted))
        return;
    const struct sysbuf_bytes *bytes = (const struct sysbuf_bytes *)(wanted + 1);
    for (uint32_t i = 0; i < wanted->count; i++) {
        copy((void *)bytes->address, bytes + 1, bytes->size);
        bytes = (const struct sysbuf_bytes *)((const uint8_t *)(bytes + 1) + ((bytes->size + 7ull) & ~7ull));
    }
    regs->rax = (uint64_t)wanted->result;
    regs->rcx = slot->rip;
    regs->r11 = regs->flags;
    block->target = wanted->stop ? SYSBUF_SYSCALL : slot->done;
    block->made++;
    block->tail += wanted->size;
}

__attribute__((used)) void sysbuf_hook(struct sysbuf_registers *regs, const struct sysbuf_slot *slot) {
    struct sysbuf_block *block = &DATA->block;
    if (regs->flags & ALIGNMENT_FLAG) /* here accesses need not be aligned */
        __asm__ volatile("pushq $2\n popfq" : : : "memory", "cc");
    block->target = slot->plain;
    regs->flags &= ~TRAP_FLAG;
    if (block->replays)
        replay(regs, slot);
    else
        record(regs, slot);
}
