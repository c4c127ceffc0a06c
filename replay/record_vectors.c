/* record_vectors: the arrays (struct iovec, struct msghdr) that say where a call writes. A buffer may lie
 * over its own array, so they are kept as they are when the call is made, which is when the kernel reads
 * them. */
#include "replay/recorder_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define VECTORS_MOST 1024 /* UIO_MAXIOV */

void record_saved_deinit(struct saved *saved) {
    free(saved->ranges);
    buffer_deinit(&saved->bytes);
    *saved = (struct saved){0};
}

/* What cannot be read, the kernel cannot read either. */
static struct error *save(struct recorder *recorder, uint64_t address, size_t size) {
    struct saved *saved = &recorder->saved;
    if (saved->count == saved->room) {
        size_t room = saved->room ? 2 * saved->room : 8;
        struct saved_range *grown = realloc(saved->ranges, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        saved->ranges = grown;
        saved->room = room;
    }
    void *bytes = buffer_reserve(&saved->bytes, size);
    TRY(buffer_check(&saved->bytes));
    size_t got = task_read(recorder->task, address, bytes, size);
    saved->ranges[saved->count++] =
        (struct saved_range){.address = address, .offset = saved->bytes.size, .size = got};
    saved->bytes.size += got;
    return NULL;
}

static struct error *save_iovecs(struct recorder *recorder, uint64_t address, uint64_t count) {
    if (count > VECTORS_MOST || !address)
        return NULL;
    return save(recorder, address, count * sizeof(struct iovec));
}

static struct error *save_message(struct recorder *recorder, uint64_t address) {
    struct msghdr header;
    if (task_read(recorder->task, address, &header, sizeof(header)) != sizeof(header))
        return NULL;
    TRY(save(recorder, address, sizeof(header)));
    return save_iovecs(recorder, (uint64_t)header.msg_iov, header.msg_iovlen);
}

/* Not the lengths beside the headers: the kernel writes those. */
static struct error *save_messages(struct recorder *recorder, uint64_t address, uint64_t count) {
    for (uint64_t i = 0; i < count && i < VECTORS_MOST; i++)
        TRY(save_message(recorder, address + i * sizeof(struct mmsghdr)));
    return NULL;
}

struct error *record_save_vectors(struct recorder *recorder) {
    const struct syscall_row *row = recorder->row;
    const uint64_t *args = recorder->call.args;
    recorder->saved.count = 0;
    buffer_clear(&recorder->saved.bytes);
    for (unsigned i = 0; i < SYSCALL_ARGS; i++) {
        const struct syscall_arg *arg = &row->args[i];
        if (arg->direction != ARG_OUT && arg->direction != ARG_INOUT)
            continue;
        if (arg->type == SHAPE_IOVEC && i + 1 < SYSCALL_ARGS)
            TRY(save_iovecs(recorder, args[i], args[i + 1]));
        else if (arg->type == SHAPE_MSGHDR)
            TRY(save_message(recorder, args[i]));
        else if (arg->type == SHAPE_MMSGHDR && i + 1 < SYSCALL_ARGS)
            TRY(save_messages(recorder, args[i], args[i + 1]));
    }
    return NULL;
}

static void lay_over(const struct saved *saved, const struct saved_range *range, uint64_t address,
                     uint8_t *ret, size_t size) {
    uint64_t from = range->address > address ? range->address : address;
    uint64_t to =
        range->address + range->size < address + size ? range->address + range->size : address + size;
    if (from < to)
        memcpy(ret + (from - address), saved->bytes.data + range->offset + (from - range->address),
               to - from);
}

static size_t read_saved(void *context, uint64_t address, void *ret, size_t size) {
    struct recorder *recorder = context;
    size_t got = task_read(recorder->task, address, ret, size);
    for (size_t i = 0; i < recorder->saved.count; i++)
        lay_over(&recorder->saved, &recorder->saved.ranges[i], address, ret, got);
    return got;
}

struct memory_reader record_entry_memory(struct recorder *recorder) {
    return (struct memory_reader){.read = read_saved, .context = recorder};
}
