#define XXH_STATIC_LINKING_ONLY /* for a state on the stack */
#include "replay/written.h"

#include "tracer/syscall.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <xxhash.h>

struct visitor {
    const struct memory_reader *memory;
    void (*visit)(void *context, const void *bytes, size_t size);
    void *context;
};

static void visit_memory(const struct visitor *visitor, uint64_t address, uint64_t size) {
    static char block[1 << 16];
    while (size) {
        size_t want = size < sizeof(block) ? size : sizeof(block);
        size_t got = memory_read(visitor->memory, address, block, want);
        visitor->visit(visitor->context, block, got);
        if (got < want)
            return;
        address += got;
        size -= got;
    }
}

static void visit_iovec(const struct visitor *visitor, uint64_t address, uint64_t count, uint64_t size) {
    for (uint64_t i = 0; i < count && i < UIO_MAXIOV && size; i++) {
        struct iovec piece;
        if (!memory_read_exact(visitor->memory, address + i * sizeof(piece), &piece, sizeof(piece)))
            return;
        uint64_t part = piece.iov_len < size ? piece.iov_len : size;
        visit_memory(visitor, (uint64_t)piece.iov_base, part);
        size -= part;
    }
}

static void visit_message(const struct visitor *visitor, uint64_t address, uint64_t size) {
    struct msghdr message;
    if (memory_read_exact(visitor->memory, address, &message, sizeof(message)))
        visit_iovec(visitor, (uint64_t)message.msg_iov, message.msg_iovlen, size);
}

/* The lengths that sendmmsg has written tell how much of each message was sent. */
static void visit_messages(const struct visitor *visitor, uint64_t address, uint64_t count) {
    enum { ENTRY = 64 }; /* sizeof(struct mmsghdr): a msghdr and its length */
    for (uint64_t i = 0; i < count && i < UIO_MAXIOV; i++) { /* the kernel sends no more at once */
        uint32_t length = 0;
        memory_read(visitor->memory, address + i * ENTRY + sizeof(struct msghdr), &length, sizeof(length));
        visit_message(visitor, address + i * ENTRY, length);
    }
}

bool written_visit(const struct memory_reader *memory, uint64_t number, const uint64_t args[6],
                   uint64_t result, void (*visit)(void *context, const void *bytes, size_t size),
                   void *context) {
    const struct visitor visitor = {memory, visit, context};
    switch (number) {
    case SYS_write:
    case SYS_pwrite64:
    case SYS_sendto:
        visit_memory(&visitor, args[1], result);
        return true;
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_vmsplice:
        visit_iovec(&visitor, args[1], args[2], result);
        return true;
    case SYS_sendmsg:
        visit_message(&visitor, args[1], result);
        return true;
    case SYS_sendmmsg:
        visit_messages(&visitor, args[1], result);
        return true;
    default:
        return false;
    }
}

static void add_to_hash(void *context, const void *bytes, size_t size) {
    XXH3_64bits_update(context, bytes, size);
}

uint32_t written_hash(const struct memory_reader *memory, uint64_t number, const uint64_t args[6],
                      int64_t result) {
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    if (syscall_failed(result) || !written_visit(memory, number, args, (uint64_t)result, add_to_hash, &state))
        return 0;
    uint32_t hash = (uint32_t)XXH3_64bits_digest(&state);
    return hash ? hash : 1;
}
