#include "tracer/crash_state.h"

#include <stdlib.h>
#include <string.h>

#define PAGE        4096u
#define PAGE_SLOTS  256u
#define LARGE_READS (16u * PAGE) /* go past the pages */

struct crash_page {
    uint64_t address; /* of the page; only when `known` */
    bool known;
    size_t size; /* bytes that could be read */
    uint8_t bytes[PAGE];
};

struct error *crash_memory_init(struct crash_memory *memory, struct task *task) {
    *memory = (struct crash_memory){.task = task, .pages = calloc(PAGE_SLOTS, sizeof(*memory->pages))};
    return memory->pages ? NULL : &error_no_memory;
}

void crash_memory_deinit(struct crash_memory *memory) {
    free(memory->pages);
    *memory = (struct crash_memory){0};
}

static const struct crash_page *page_at(struct crash_memory *memory, uint64_t address) {
    struct crash_page *page = &memory->pages[address / PAGE % PAGE_SLOTS];
    if (!page->known || page->address != address) {
        page->known = true;
        page->address = address;
        page->size = task_read(memory->task, address, page->bytes, PAGE);
    }
    return page;
}

static size_t read_pages(void *context, uint64_t address, void *ret, size_t size) {
    struct crash_memory *memory = context;
    size_t done = 0;
    if (address > UINT64_MAX - size)
        return 0;
    if (size > LARGE_READS)
        return task_read(memory->task, address, ret, size);
    while (done < size) {
        uint64_t at = address + done, start = at & ~(uint64_t)(PAGE - 1);
        const struct crash_page *page = page_at(memory, start);
        size_t offset = (size_t)(at - start);
        size_t count = page->size > offset ? page->size - offset : 0;
        if (count > size - done)
            count = size - done;
        memcpy((uint8_t *)ret + done, page->bytes + offset, count);
        done += count;
        if (page->size < PAGE && done < size)
            break;
    }
    return done;
}

struct memory_reader crash_memory_reader(struct crash_memory *memory) {
    return (struct memory_reader){.read = read_pages, .context = memory};
}
