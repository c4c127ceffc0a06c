#include "tracer/agent_puppet.h"

#include "tracer/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE       4096ull
#define LOW        0x40000ull /* behind what replay itself has there */
#define HIGH       (1ull << 31)
#define BLOCK_SIZE 4096u
#define TEXT_MOST  4096u

/* A part of the memory file, which the puppet has by the same number (CLONE_FILES). */
static struct error *map_part(struct agent *agent, struct task *task, uint64_t address, uint64_t size,
                              uint64_t offset) {
    const uint64_t args[6] = {
        address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, (uint64_t)agent->pool->fd,
        offset};
    int64_t result;
    TRY(remote_syscall(task, agent->instruction, SYS_mmap, args, &result));
    if (result < 0 && result > -4096)
        return error_system((int)-result, "probes: mapping a ring in the puppet");
    return NULL;
}

static struct error *find_place(struct task *task, const struct room_reserved *reserved, uint64_t *ret) {
    const uint64_t size = BLOCK_SIZE + 2ull * AGENT_RING_SIZE;
    struct maps maps;
    TRY(maps_read(task->tid, &maps));
    uint64_t place = room_near(&maps, reserved, size, LOW);
    maps_deinit(&maps);
    if (!place || place + size > HIGH)
        return error_new(ERROR_UNSUPPORTED, "there is no room for a ring in the lowest 2 GiB");
    *ret = place;
    return NULL;
}

static struct error *make_pool(struct agent *agent) {
    int fd = memfd_create("reel-rings", MFD_CLOEXEC);
    return fd < 0 ? error_system(errno, "probes: making memory for rings")
                  : ring_pool_create(fd, &agent->pool);
}

static struct error *map_all(struct agent *agent, struct task *task, const struct room_reserved *reserved) {
    uint64_t place, ring;
    TRY(make_pool(agent));
    TRY(find_place(task, reserved, &place));
    ring = place + BLOCK_SIZE;
    TRY(map_part(agent, task, place, BLOCK_SIZE, 0));
    TRY(map_part(agent, task, ring, AGENT_RING_SIZE, ring_offset(0)));
    TRY(map_part(agent, task, ring + AGENT_RING_SIZE, AGENT_RING_SIZE, ring_offset(0)));
    agent->file = place;
    agent->block = (uint32_t)(place + ring_block_offset(0));
    agent->rings[0] = ring;
    return NULL;
}

struct error *agent_puppet_create(struct task *task, uint64_t instruction,
                                  const struct room_reserved *reserved, struct agent **ret) {
    struct agent *agent = calloc(1, sizeof(*agent));
    if (!agent)
        return &error_no_memory;
    agent->instruction = instruction;
    struct error *err = map_all(agent, task, reserved);
    if (err) {
        agent_destroy(agent);
        return err;
    }
    *ret = agent;
    return NULL;
}

struct error *agent_puppet_enter(struct agent *agent, struct ring *ret) {
    TRY(ring_open(agent->pool, ret));
    ret->block->ring = agent->rings[0];
    return NULL;
}

/* Whole pages, as far as there are. */
static uint32_t read_text(struct task *task, uint64_t address, uint8_t *ret, uint32_t room) {
    uint32_t done = 0;
    while (done < room) {
        uint32_t part = (uint32_t)(PAGE - (address + done) % PAGE);
        part = part < room - done ? part : room - done;
        if (task_read(task, address + done, ret + done, part) != part)
            break;
        done += part;
    }
    return done;
}

struct error *agent_puppet_text(struct task *task, uint64_t address, uint64_t record) {
    uint8_t bytes[AGENT_TEXT_HEAD + TEXT_MOST];
    uint32_t room = 0, length = AGENT_TEXT_UNREADABLE;
    if (task_read(task, record, &room, sizeof(room)) != sizeof(room) || room > TEXT_MOST)
        return error_new(ERROR_BAD_DATA, "probes: a record at 0x%llx is damaged", (unsigned long long)record);
    uint32_t got = address ? read_text(task, address, bytes + AGENT_TEXT_HEAD, room) : 0;
    if (got)
        length = (uint32_t)strnlen((const char *)bytes + AGENT_TEXT_HEAD, got);
    if (got && length < got)
        length++; /* the NUL counts */
    memcpy(bytes, &length, sizeof(length));
    memset(bytes + sizeof(length), 0, AGENT_TEXT_HEAD - sizeof(length));
    return task_write(task, record, bytes, AGENT_TEXT_HEAD + (got ? length : 0));
}
