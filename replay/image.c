#include "replay/image.h"

#include "base/registers.h"
#include "tracer/maps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u
/* Pages looked at in one go. */
#define BATCH 256u

void image_deinit(struct image *image) {
    free(image->regions);
    free(image->runs);
    buffer_deinit(&image->bytes);
    memset(image, 0, sizeof(*image));
}

static struct error *add_region(struct image *image, const struct mapping *mapping) {
    bool stack = strcmp(mapping->name, "[stack]") == 0;
    if (image->region_count) {
        struct image_region *last = &image->regions[image->region_count - 1];
        if (last->end == mapping->start && !stack && !last->stack) {
            last->end = mapping->end;
            return NULL;
        }
    }
    if (image->region_count == image->region_room) {
        size_t room = image->region_room ? image->region_room * 2 : 32;
        struct image_region *regions = realloc(image->regions, room * sizeof(*regions));
        if (!regions)
            return &error_no_memory;
        image->regions = regions;
        image->region_room = room;
    }
    struct image_region *region = &image->regions[image->region_count++];
    *region = (struct image_region){.start = mapping->start, .end = mapping->end, .stack = stack};
    snprintf(region->name, sizeof(region->name), "%s", mapping->name);
    return NULL;
}

/* Append bytes (copied) at address, joined with the run before when they touch. */
static struct error *add_run(struct image *image, uint64_t address, const void *bytes, size_t size) {
    if (image->run_count) {
        struct image_run *last = &image->runs[image->run_count - 1];
        if (last->address + last->size == address) {
            last->size += size;
            buffer_put(&image->bytes, bytes, size);
            return buffer_check(&image->bytes);
        }
    }
    if (image->run_count == image->run_room) {
        size_t room = image->run_room ? image->run_room * 2 : 64;
        struct image_run *runs = realloc(image->runs, room * sizeof(*runs));
        if (!runs)
            return &error_no_memory;
        image->runs = runs;
        image->run_room = room;
    }
    image->runs[image->run_count++] =
        (struct image_run){.address = address, .size = size, .offset = image->bytes.size};
    buffer_put(&image->bytes, bytes, size);
    return buffer_check(&image->bytes);
}

static bool is_zero(const uint8_t *bytes, size_t size) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Read count pages from address and keep those that are wanted and not all zero. Pages that cannot be read
 * (beyond the end of a mapped file) are left out. */
static struct error *take_pages(struct image *image, struct task *task, uint64_t address, size_t count,
                                const bool *wanted) {
    uint8_t *pages = malloc((size_t)BATCH * PAGE);
    if (!pages)
        return &error_no_memory;
    struct error *err = NULL;
    for (size_t first = 0; first < count && !err;) {
        size_t run = 0;
        while (first + run < count && wanted[first + run] == wanted[first])
            run++;
        if (wanted[first]) {
            size_t got = task_read(task, address + first * PAGE, pages, run * PAGE) / PAGE;
            for (size_t i = 0; i < got && !err; i++)
                if (!is_zero(pages + i * PAGE, PAGE))
                    err = add_run(image, address + (first + i) * PAGE, pages + i * PAGE, PAGE);
        }
        first += run;
    }
    free(pages);
    return err;
}

/* Anonymous private memory has contents only where the process has pages of its own; of files and shared
 * memory all pages are read. */
static struct error *take_mapping(struct image *image, struct task *task, const struct mapping *mapping) {
    bool sparse = !mapping->shared && mapping->inode == 0;
    for (uint64_t address = mapping->start; address < mapping->end;) {
        size_t count = (mapping->end - address) / PAGE;
        if (count > BATCH)
            count = BATCH;
        bool wanted[BATCH];
        memset(wanted, true, sizeof(wanted));
        if (sparse)
            TRY(maps_own_pages(task->tid, address, count, wanted));
        TRY(take_pages(image, task, address, count, wanted));
        address += count * PAGE;
    }
    return NULL;
}

static struct error *take_all(struct task *task, const struct maps *maps, uint64_t skip_start,
                              uint64_t skip_end, struct image *ret) {
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mappings[i];
        if (!(mapping->protection & PROT_WRITE) || mapping_is_kernel_data(mapping) ||
            (mapping->start >= skip_start && mapping->end <= skip_end))
            continue;
        TRY(add_region(ret, mapping));
        TRY(take_mapping(ret, task, mapping));
    }
    return NULL;
}

struct error *image_take(struct task *task, uint64_t skip_start, uint64_t skip_end, struct image *ret) {
    *ret = (struct image){0};
    struct maps maps;
    TRY(maps_read(task->tid, &maps));
    struct error *err = take_all(task, &maps, skip_start, skip_end, ret);
    maps_deinit(&maps);
    if (!err) /* last: it fails for a task that was killed meanwhile, whose image lacks something then */
        err = trace_get_registers(task->tid, &ret->registers);
    if (err)
        image_deinit(ret);
    return err;
}

/* ---- comparing: walk two lists of runs as two readers of one address space ---- */

struct run_walk {
    const struct image *image;
    size_t index;
};

/* First address at or after `from` that the walk has bytes for, UINT64_MAX at the end. */
static uint64_t walk_next(struct run_walk *walk, uint64_t from) {
    const struct image *image = walk->image;
    while (walk->index < image->run_count &&
           image->runs[walk->index].address + image->runs[walk->index].size <= from)
        walk->index++;
    if (walk->index == image->run_count)
        return UINT64_MAX;
    uint64_t address = image->runs[walk->index].address;
    return address > from ? address : from;
}

/* The page at address: its bytes, or zeros. */
static const uint8_t *walk_page(struct run_walk *walk, uint64_t address) {
    static const uint8_t zeros[PAGE];
    if (walk_next(walk, address) != address)
        return zeros;
    const struct image_run *run = &walk->image->runs[walk->index];
    return walk->image->bytes.data + run->offset + (address - run->address);
}

static struct error *compare_page(uint64_t address, const uint8_t *a, const uint8_t *b,
                                  image_difference *report, void *context) {
    if (memcmp(a, b, PAGE) == 0)
        return NULL;
    for (size_t at = 0; at < PAGE;) {
        size_t size = 0;
        while (at + size < PAGE && memcmp(a + at + size, b + at + size, 8) != 0)
            size += 8;
        if (size)
            TRY(report(context, address + at, size));
        at += size ? size : 8;
    }
    return NULL;
}

struct error *image_compare(const struct image *a, const struct image *b, image_difference *report,
                            void *context) {
    struct run_walk walk_a = {.image = a}, walk_b = {.image = b};
    for (uint64_t address = 0;;) {
        uint64_t next_a = walk_next(&walk_a, address), next_b = walk_next(&walk_b, address);
        address = next_a < next_b ? next_a : next_b;
        if (address == UINT64_MAX)
            return NULL;
        TRY(compare_page(address, walk_page(&walk_a, address), walk_page(&walk_b, address), report, context));
        address += PAGE;
    }
}

/* ---- the check ---- */

struct check {
    const struct image *recorded, *replayed;
    uint64_t words;
    uint64_t first;
};

static struct error *count_difference(void *context, uint64_t address, uint64_t size) {
    struct check *check = context;
    if (!check->words)
        check->first = address;
    check->words += size / 8;
    return NULL;
}

static const char *region_name(const struct image *image, uint64_t address) {
    for (size_t i = 0; i < image->region_count; i++)
        if (address >= image->regions[i].start && address < image->regions[i].end)
            return image->regions[i].name[0] ? image->regions[i].name : "anonymous memory";
    return "unmapped";
}

static uint64_t word_at(const struct image *image, uint64_t address) {
    struct run_walk walk = {.image = image};
    uint64_t word;
    memcpy(&word, walk_page(&walk, address & ~(uint64_t)(PAGE - 1)) + (address & (PAGE - 1)), sizeof(word));
    return word;
}

/* A puppet's stack is mapped as far down as it may ever grow, and may touch other mappings of the puppet:
 * regions are compared by "is every recorded byte writable in the replay". */
static bool covers(const struct image *image, const struct image_region *wanted) {
    uint64_t address = wanted->start;
    for (size_t i = 0; i < image->region_count && address < wanted->end; i++)
        if (image->regions[i].start <= address && image->regions[i].end > address)
            address = image->regions[i].end;
    return address >= wanted->end;
}

static struct error *check_regions(const struct image *recorded, const struct image *replayed) {
    for (size_t i = 0; i < recorded->region_count; i++)
        if (!covers(replayed, &recorded->regions[i]))
            return error_new(ERROR_DIVERGED,
                             "memory: 0x%llx-0x%llx (%s) is writable in the recording, not in the replay",
                             (unsigned long long)recorded->regions[i].start,
                             (unsigned long long)recorded->regions[i].end, recorded->regions[i].name);
    return NULL;
}

struct error *image_check(const struct image *recorded, const struct image *replayed) {
    TRY(check_regions(recorded, replayed));
    struct check check = {.recorded = recorded, .replayed = replayed};
    TRY(image_compare(recorded, replayed, count_difference, &check));
    if (check.words)
        return error_new(
            ERROR_DIVERGED,
            "memory: %llu words differ, the first at 0x%llx (%s): recorded 0x%016llx, replayed 0x%016llx",
            (unsigned long long)check.words, (unsigned long long)check.first,
            region_name(recorded, check.first), (unsigned long long)word_at(recorded, check.first),
            (unsigned long long)word_at(replayed, check.first));
    size_t differs = registers_compare(&recorded->registers, &replayed->registers);
    if (differs < REGISTER_COUNT)
        return error_new(ERROR_DIVERGED, "register %s at the end: recorded 0x%llx, replayed 0x%llx",
                         registers[differs].name,
                         (unsigned long long)register_get(&recorded->registers, differs),
                         (unsigned long long)register_get(&replayed->registers, differs));
    return NULL;
}

/* ---- the file: a record each for registers, regions and runs ---- */

enum image_record { IMAGE_REGISTERS = 1, IMAGE_REGION, IMAGE_RUN };

/* Runs are cut to this, so that a record stays small. */
#define RUN_PIECE (128u * 1024)

static struct error *write_records(const struct image *image, struct chunk_writer *writer,
                                   struct buffer *record) {
    buffer_put_u8(record, IMAGE_REGISTERS);
    buffer_put(record, &image->registers, sizeof(image->registers));
    TRY(chunk_writer_append(writer, record->data, record->size));
    for (size_t i = 0; i < image->region_count; i++) {
        const struct image_region *region = &image->regions[i];
        buffer_clear(record);
        buffer_put_u8(record, IMAGE_REGION);
        buffer_put_varint(record, region->start);
        buffer_put_varint(record, region->end);
        buffer_put_u8(record, region->stack);
        buffer_put_string(record, region->name);
        TRY(buffer_check(record));
        TRY(chunk_writer_append(writer, record->data, record->size));
    }
    for (size_t i = 0; i < image->run_count; i++) {
        const struct image_run *run = &image->runs[i];
        for (size_t at = 0; at < run->size; at += RUN_PIECE) {
            size_t size = run->size - at < RUN_PIECE ? run->size - at : RUN_PIECE;
            buffer_clear(record);
            buffer_put_u8(record, IMAGE_RUN);
            buffer_put_varint(record, run->address + at);
            buffer_put_blob(record, image->bytes.data + run->offset + at, size);
            TRY(buffer_check(record));
            TRY(chunk_writer_append(writer, record->data, record->size));
        }
    }
    return NULL;
}

struct error *image_write(const struct image *image, int dirfd, const char *name,
                          struct size_budget *budget) {
    struct chunk_writer *writer;
    TRY(chunk_writer_create(dirfd, name, CHUNK_FILE_MEMORY, budget, &writer));
    struct buffer record = {0};
    struct error *err = write_records(image, writer, &record);
    buffer_deinit(&record);
    struct error *close_err = chunk_writer_close(writer);
    if (!err)
        return close_err;
    error_free(close_err);
    return err;
}

static struct error *read_region(struct cursor *cursor, struct image *image) {
    struct mapping mapping = {0};
    mapping.start = cursor_varint(cursor); /* an initializer list has no order of evaluation */
    mapping.end = cursor_varint(cursor);
    bool stack = cursor_u8(cursor);
    mapping.name = cursor_string(cursor);
    struct error *err = cursor_check(cursor);
    if (!err)
        err = add_region(image, &mapping);
    if (!err)
        image->regions[image->region_count - 1].stack = stack;
    free(mapping.name);
    return err;
}

static struct error *read_record(struct cursor *cursor, struct image *image) {
    switch (cursor_u8(cursor)) {
    case IMAGE_REGISTERS: {
        const void *bytes = cursor_bytes(cursor, sizeof(image->registers));
        if (bytes)
            memcpy(&image->registers, bytes, sizeof(image->registers));
        break;
    }
    case IMAGE_REGION:
        return read_region(cursor, image);
    case IMAGE_RUN: {
        uint64_t address = cursor_varint(cursor);
        size_t size;
        const void *bytes = cursor_blob(cursor, &size);
        /* whole pages in ascending order is what image_compare() walks */
        uint64_t after = image->run_count ? image->runs[image->run_count - 1].address +
                                                image->runs[image->run_count - 1].size
                                          : 0;
        if (!bytes || !size || size % PAGE || address % PAGE || address < after || address + size < address)
            cursor_fail(cursor);
        TRY(cursor_check(cursor));
        return add_run(image, address, bytes, size);
    }
    default:
        cursor_fail(cursor);
    }
    return cursor_check(cursor);
}

struct error *image_read(int dirfd, const char *name, struct image *ret) {
    *ret = (struct image){0};
    struct chunk_reader *reader;
    TRY(chunk_reader_open(dirfd, name, CHUNK_FILE_MEMORY, &reader));
    struct error *err = NULL;
    for (;;) {
        const uint8_t *record;
        size_t size;
        err = chunk_reader_next(reader, &record, &size);
        if (err || !record)
            break;
        struct cursor cursor;
        cursor_init(&cursor, record, size, name);
        err = read_record(&cursor, ret);
        if (!err && cursor_left(&cursor))
            cursor_fail(&cursor);
        if (!err)
            err = cursor_check(&cursor);
        if (err)
            break;
    }
    if (!err && chunk_reader_cut(reader))
        err = error_new(ERROR_BAD_DATA, "%s: cut short", name);
    chunk_reader_close(reader);
    if (err)
        image_deinit(ret);
    return err;
}
