#include "tracer/sysbuf.h"

#include "tracer/syscall.h"

#include <string.h>
#include <sys/syscall.h>

/* The blob is part of reel. */
__asm__(".section .rodata\n"
        ".balign 16\n"
        ".globl sysbuf_blob, sysbuf_blob_size\n"
        "sysbuf_blob:\n"
        ".incbin \"" SYSBUF_BLOB "\"\n"
        ".balign 4\n"
        "sysbuf_blob_size:\n"
        ".long . - sysbuf_blob\n"
        ".text\n");

/* ---- calls ---- */

/* Calls that are made at once, shape neither memory nor tasks nor signals, and write nothing but what their
 * rows of syscalls.def say; when they fail for any other reason than a bad address they write nothing. */
#define CALL(call, what)                                                                                     \
    { .name = call, .how = what }
#define IF_NULL(call, what, argument)                                                                        \
    { .name = call, .how = what, .null = argument }

static const struct listed {
    const char *name;
    uint16_t how, null;
} listed[] = {
    /* clang-format off */
    CALL("getpid", SYSBUF_MAKE), CALL("gettid", SYSBUF_MAKE), CALL("getppid", SYSBUF_MAKE),
    CALL("getuid", SYSBUF_MAKE), CALL("geteuid", SYSBUF_MAKE), CALL("getgid", SYSBUF_MAKE),
    CALL("getegid", SYSBUF_MAKE), CALL("getpgrp", SYSBUF_MAKE), CALL("getpgid", SYSBUF_MAKE),
    CALL("getsid", SYSBUF_MAKE), CALL("umask", SYSBUF_MAKE), CALL("uname", SYSBUF_MAKE),
    CALL("sysinfo", SYSBUF_MAKE), CALL("getrusage", SYSBUF_MAKE), CALL("times", SYSBUF_MAKE),
    CALL("getrlimit", SYSBUF_MAKE), CALL("getcwd", SYSBUF_MAKE), CALL("clock_gettime", SYSBUF_MAKE),
    CALL("clock_getres", SYSBUF_MAKE), CALL("gettimeofday", SYSBUF_MAKE), CALL("time", SYSBUF_MAKE),
    CALL("getrandom", SYSBUF_MAKE), CALL("stat", SYSBUF_MAKE), CALL("fstat", SYSBUF_MAKE),
    CALL("lstat", SYSBUF_MAKE), CALL("newfstatat", SYSBUF_MAKE), CALL("statx", SYSBUF_MAKE),
    CALL("statfs", SYSBUF_MAKE), CALL("fstatfs", SYSBUF_MAKE), CALL("access", SYSBUF_MAKE),
    CALL("faccessat", SYSBUF_MAKE), CALL("faccessat2", SYSBUF_MAKE), CALL("readlink", SYSBUF_MAKE),
    CALL("readlinkat", SYSBUF_MAKE), CALL("lseek", SYSBUF_MAKE), CALL("chdir", SYSBUF_MAKE),
    CALL("fchdir", SYSBUF_MAKE), CALL("mkdir", SYSBUF_MAKE), CALL("mkdirat", SYSBUF_MAKE),
    CALL("rmdir", SYSBUF_MAKE), CALL("unlink", SYSBUF_MAKE), CALL("unlinkat", SYSBUF_MAKE),
    CALL("rename", SYSBUF_MAKE), CALL("renameat", SYSBUF_MAKE), CALL("renameat2", SYSBUF_MAKE),
    CALL("link", SYSBUF_MAKE), CALL("linkat", SYSBUF_MAKE), CALL("symlink", SYSBUF_MAKE),
    CALL("symlinkat", SYSBUF_MAKE), CALL("chmod", SYSBUF_MAKE), CALL("fchmod", SYSBUF_MAKE),
    CALL("fchmodat", SYSBUF_MAKE), CALL("chown", SYSBUF_MAKE), CALL("fchown", SYSBUF_MAKE),
    CALL("lchown", SYSBUF_MAKE), CALL("fchownat", SYSBUF_MAKE), CALL("utimensat", SYSBUF_MAKE),
    CALL("fsync", SYSBUF_MAKE), CALL("fdatasync", SYSBUF_MAKE), CALL("fadvise64", SYSBUF_MAKE),
    CALL("epoll_ctl", SYSBUF_MAKE), CALL("getdents", SYSBUF_MAKE), CALL("getdents64", SYSBUF_MAKE),
    CALL("read", SYSBUF_READ), CALL("pread64", SYSBUF_READ), IF_NULL("recvfrom", SYSBUF_READ, 5),
    CALL("write", SYSBUF_WRITE), CALL("pwrite64", SYSBUF_WRITE), CALL("sendto", SYSBUF_WRITE),
    CALL("epoll_wait", SYSBUF_WAIT), IF_NULL("epoll_pwait", SYSBUF_WAIT, 5), CALL("poll", SYSBUF_WAIT),
    IF_NULL("ppoll", SYSBUF_WAIT, 4), CALL("wait4", SYSBUF_WAIT),
    CALL("close", SYSBUF_CLOSE),
    CALL("open", SYSBUF_OPEN),
    CALL("openat", SYSBUF_OPEN_AT),
    CALL("fcntl", SYSBUF_FCNTL), CALL("futex", SYSBUF_FUTEX), CALL("ioctl", SYSBUF_IOCTL),
    CALL("readv", SYSBUF_READ_VECTOR), CALL("preadv", SYSBUF_READ_VECTOR),
    CALL("writev", SYSBUF_WRITE_VECTOR), CALL("pwritev", SYSBUF_WRITE_VECTOR),
    /* clang-format on */
};

static uint8_t output_rule(enum size_rule rule) {
    return rule == SIZE_FIXED ? SYSBUF_FIXED : rule == SIZE_RESULT ? SYSBUF_RESULT : SYSBUF_ARG;
}

/* The outputs of a row. False: they are more than the blob can see to. */
static bool fill_outputs(const struct syscall_row *row, struct sysbuf_call *ret) {
    size_t count = 0;
    for (unsigned i = 0; i < row->arg_count; i++) {
        const struct syscall_arg *arg = &row->args[i];
        bool none =
            ret->null && i + 1 >= ret->null; /* that one is NULL, and what is behind it says how long it is */
        if (none || (arg->direction != ARG_OUT && arg->direction != ARG_INOUT))
            continue;
        if (count == SYSBUF_OUTPUTS ||
            (arg->rule != SIZE_FIXED && arg->rule != SIZE_RESULT && arg->rule != SIZE_ARG))
            return false;
        ret->outputs[count++] = (struct sysbuf_output){.index = (uint8_t)(i + 1),
                                                       .rule = output_rule(arg->rule),
                                                       .argument = arg->argument,
                                                       .unit = arg->unit};
    }
    return true;
}

/* What such calls write hangs on their arguments: those that are let through write nothing, or all, or what
 * the blob knows. */
static bool depends(uint16_t how) {
    return how == SYSBUF_FCNTL || how == SYSBUF_FUTEX || how == SYSBUF_IOCTL || how == SYSBUF_READ_VECTOR ||
           how == SYSBUF_WRITE_VECTOR;
}

void sysbuf_fill_table(struct sysbuf_call table[SYSBUF_CALLS]) {
    memset(table, 0, SYSBUF_CALLS * sizeof(table[0]));
    for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++) {
        int number = syscall_number(listed[i].name);
        const struct syscall_row *row =
            number >= 0 && number < SYSBUF_CALLS ? syscall_find((uint64_t)number) : NULL;
        struct sysbuf_call call = {.how = listed[i].how, .null = listed[i].null};
        if (!row || (!depends(listed[i].how) && !fill_outputs(row, &call)))
            continue;
        if (number == SYS_getdents || number == SYS_getdents64)
            call.outputs[0].rule = SYSBUF_DIRENTS;
        if (number == SYS_ioctl)
            call.outputs[0] = (struct sysbuf_output){.index = 3, .rule = SYSBUF_TERMINAL};
        table[number] = call;
    }
}

bool sysbuf_knows(uint64_t number) {
    static struct sysbuf_call table[SYSBUF_CALLS];
    static bool filled;
    if (!filled)
        sysbuf_fill_table(table);
    filled = true;
    return number < SYSBUF_CALLS && table[number].how != SYSBUF_STOP;
}

/* ---- sites ---- */

enum { SYSCALL_LENGTH = 2, MOV = 0xb8 };

/* Is there `mov $number, %eax` in front of the instruction? An instruction of which this is the end only
 * would begin with a REX prefix, or another opcode byte. */
static bool has_mov(const uint8_t *code, size_t offset, uint64_t number) {
    uint32_t immediate;
    if (offset < WINDOW_JUMP + 1 || code[offset - WINDOW_JUMP] != MOV)
        return false;
    uint8_t before = code[offset - WINDOW_JUMP - 1];
    memcpy(&immediate, code + offset - WINDOW_JUMP + 1, sizeof(immediate));
    return immediate == number && (before & 0xf0) != 0x40 && before != 0x0f;
}

/* The window without its first instruction, the call. */
static void take_rest(const struct window *window, struct window *ret) {
    *ret = (struct window){.address = window->address + SYSCALL_LENGTH,
                           .length = window->length - SYSCALL_LENGTH,
                           .count = window->count - 1};
    memcpy(ret->instructions, window->instructions + 1, ret->count * sizeof(ret->instructions[0]));
    memcpy(ret->bytes, window->bytes + SYSCALL_LENGTH, ret->length);
}

/* ud2: of reel, in the place of another instruction, or the program's own. */
static bool is_trap(const struct window *window) {
    for (size_t i = 0; i < window->count; i++)
        if (window->instructions[i].bytes[0] == 0x0f && window->instructions[i].bytes[1] == 0x0b)
            return true;
    return false;
}

struct error *sysbuf_site_decode(const uint8_t *code, size_t size, uint64_t start, uint64_t address,
                                 uint64_t number, struct sysbuf_site *ret) {
    struct window window;
    size_t offset = address - start;
    memset(ret, 0, sizeof(*ret));
    if (offset + SYSCALL_LENGTH > size || code[offset] != 0x0f || code[offset + 1] != 0x05)
        return error_new(ERROR_UNSUPPORTED, "no system call instruction");
    ret->address = address;
    ret->over = !has_mov(code, offset, number);
    ret->start = ret->over ? address : address - WINDOW_JUMP;
    ret->length = WINDOW_JUMP;
    if (ret->over) {
        TRY(window_decode(code + offset, size - offset, address, &window));
        if (window_is_target(&window, code, size, start))
            return error_new(ERROR_UNSUPPORTED, "something leads into the middle");
        take_rest(&window, &ret->rest);
        if (is_trap(&ret->rest))
            return error_new(ERROR_UNSUPPORTED, "a trapped instruction is behind it");
        ret->length = window.length;
    }
    memcpy(ret->original, code + (ret->start - start), ret->length);
    return NULL;
}

/* Bytes that raise SIGILL when an instruction begins with them (as in window.c, without int3). */
static bool is_trapping(uint8_t byte) {
    static const uint8_t all[] = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37,
                                  0x3f, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd6, 0xea};
    return memchr(all, byte, sizeof(all)) != NULL;
}

#define FILL 0x06 /* one of them */

static void make_patch(const struct sysbuf_site *site, uint64_t slot, uint8_t ret[WINDOW_BYTES]) {
    int32_t distance = (int32_t)(slot - (site->start + WINDOW_JUMP));
    memset(ret, FILL, WINDOW_BYTES);
    ret[0] = 0xe9;
    memcpy(ret + 1, &distance, sizeof(distance));
}

bool sysbuf_site_fits(const struct sysbuf_site *site, uint64_t slot) {
    uint8_t patch[WINDOW_BYTES];
    int64_t distance = (int64_t)(slot - (site->start + WINDOW_JUMP));
    if (distance != (int32_t)distance)
        return false;
    make_patch(site, slot, patch);
    for (size_t i = 0; site->over && i < site->rest.count; i++)
        if (!is_trapping(patch[site->rest.instructions[i].address - site->start]))
            return false;
    return true;
}

struct code {
    uint8_t *bytes;
    size_t size;
};

static void put(struct code *code, const void *bytes, size_t size) {
    memcpy(code->bytes + code->size, bytes, size);
    code->size += size;
}

#define PUT(code, ...) put(code, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put32(struct code *code, uint64_t value) {
    uint32_t low = (uint32_t)value;
    put(code, &low, sizeof(low));
}

#define DATA_AT(field) (SYSBUF_DATA + offsetof(struct sysbuf_data, field))
#define STACK_TOP      (DATA_AT(stack) + SYSBUF_STACK)

/* Offsets into a slot, from the end of its call of the hook. */
enum {
    OWN_CALL = sizeof(struct sysbuf_slot),
    OWN_CALLED = OWN_CALL + SYSCALL_LENGTH,
    OWN_REST = OWN_CALLED + 7
};

static size_t begin_slot(const struct sysbuf_site *site, struct code *code) {
    if (!site->over)
        put(code, site->original, WINDOW_JUMP);
    PUT(code, 0x48, 0x89, 0x24, 0x25); /* mov %rsp, block.rsp */
    put32(code, DATA_AT(block.rsp));
    PUT(code, 0xbc); /* mov $stack, %esp */
    put32(code, STACK_TOP);
    PUT(code, 0xff, 0x14, 0x25); /* call *block.hook */
    put32(code, DATA_AT(block.hook));
    return code->size;
}

static size_t called_at(const struct sysbuf_site *site) {
    enum { PROLOGUE = 8 + 5 + 7 };
    return (site->over ? 0 : WINDOW_JUMP) + PROLOGUE;
}

struct error *sysbuf_site_build(struct sysbuf_site *site, uint64_t slot, uint8_t ret[SYSBUF_SLOT_SIZE]) {
    uint8_t rest[WINDOW_COPY_MAX];
    size_t rest_size = 0;
    struct code code = {ret, 0};
    uint64_t behind = site->address + SYSCALL_LENGTH;
    memset(ret, FILL, SYSBUF_SLOT_SIZE);
    site->slot = slot;
    uint64_t called = slot + begin_slot(site, &code);
    struct sysbuf_slot data = {.plain = site->address, .done = behind, .rip = behind};
    if (site->over) {
        data.plain = called + OWN_CALL;
        data.done = called + OWN_REST;
    }
    site->back = data.done;
    put(&code, &data, sizeof(data));
    if (site->over) {
        PUT(&code, 0x0f, 0x05);       /* syscall */
        PUT(&code, 0x48, 0x8d, 0x0d); /* lea behind(%rip), %rcx */
        put32(&code, behind - (called + OWN_REST));
        TRY(window_copy(&site->rest, called + OWN_REST, 0, rest, &rest_size, site->offsets));
        if (code.size + rest_size > SYSBUF_SLOT_SIZE)
            return error_new(ERROR_UNSUPPORTED, "too much code for a slot");
        put(&code, rest, rest_size);
    }
    make_patch(site, slot, site->patch);
    return NULL;
}

uint64_t sysbuf_site_moved(const struct sysbuf_site *site, uint64_t rip) {
    for (size_t i = 0; site->over && i < site->rest.count; i++)
        if (site->rest.instructions[i].address == rip)
            return site->back + site->offsets[i];
    return 0;
}

enum sysbuf_place sysbuf_site_place(const struct sysbuf_site *site, uint64_t rip, uint64_t *ret) {
    uint64_t called = site->slot + called_at(site);
    if (rip < site->slot || rip >= site->slot + SYSBUF_SLOT_SIZE)
        return SYSBUF_OUTSIDE;
    *ret = site->address;
    if (rip < called + OWN_CALLED)
        return SYSBUF_CALLING;
    if (rip < called + OWN_REST) {
        *ret = site->address + SYSCALL_LENGTH;
        return SYSBUF_CALLED;
    }
    for (size_t i = 0; i < site->rest.count; i++)
        if (rip == site->back + site->offsets[i])
            *ret = site->rest.instructions[i].address;
    if (*ret == site->address) /* at the jump behind the copy */
        *ret = site->start + site->length;
    return SYSBUF_GOING;
}
