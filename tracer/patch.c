#include "tracer/patch.h"

#include "tracer/patch_state.h"
#include "tracer/patch_window_state.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_ROOM 256

const char PATCH_RETIRED[] = "an instruction that was moved has faulted";

struct error *patch_grow(void *array, size_t count, size_t *room, size_t size) {
    void **place = array, *grown;
    if (count < *room)
        return NULL;
    size_t more = *room ? *room * 2 : LEAST_ROOM;
    grown = realloc(*place, more * size);
    if (!grown)
        return &error_no_memory;
    *place = grown;
    *room = more;
    return NULL;
}

/* ---- the table of sites ---- */

static size_t place_of(const struct patch_set *set, uint64_t address) {
    size_t mask = set->table_room - 1;
    size_t place = (size_t)((address * 0x9e3779b97f4a7c15ull) >> 32) & mask;
    while (set->table[place] && set->table[place]->site.address != address)
        place = (place + 1) & mask;
    return place;
}

static struct patch_record *lookup(const struct patch_set *set, uint64_t address) {
    return set->table_room ? set->table[place_of(set, address)] : NULL;
}

static struct error *fill_table(struct patch_set *set, size_t room) {
    struct patch_record **table = calloc(room, sizeof(struct patch_record *));
    if (!table)
        return &error_no_memory;
    free(set->table);
    set->table = table;
    set->table_room = room;
    for (size_t i = 0; i < set->record_count; i++)
        table[place_of(set, set->records[i]->site.address)] = set->records[i];
    return NULL;
}

static struct error *insert(struct patch_set *set, const struct patch_record *model,
                            struct patch_record **ret) {
    TRY(patch_grow(&set->records, set->record_count, &set->record_room, sizeof(*set->records)));
    if ((set->record_count + 1) * 2 >= set->table_room)
        TRY(fill_table(set, set->table_room ? set->table_room * 2 : LEAST_ROOM));
    struct patch_record *record = malloc(sizeof(*record));
    if (!record)
        return &error_no_memory;
    *record = *model;
    set->table[place_of(set, record->site.address)] = record;
    set->records[set->record_count++] = record;
    set->is_sorted = false;
    *ret = record;
    return NULL;
}

struct patch_site *patch_find(const struct patch_set *set, uint64_t address) {
    struct patch_record *record = lookup(set, address);
    return record ? &record->site : NULL;
}

size_t patch_site_count(const struct patch_set *set) {
    return set->record_count;
}

struct patch_site *patch_site_at(const struct patch_set *set, size_t index) {
    return &set->records[index]->site;
}

/* ---- the set ---- */

struct error *patch_set_create(struct patch_set **ret) {
    struct patch_set *set = calloc(1, sizeof(*set));
    if (!set)
        return &error_no_memory;
    *ret = set;
    return NULL;
}

void patch_set_destroy(struct patch_set *set) {
    if (!set)
        return;
    for (size_t i = 0; i < set->record_count; i++)
        free(set->records[i]);
    for (size_t i = 0; i < set->module_count; i++)
        patch_plan_deinit(&set->modules[i].plan);
    free(set->records);
    free(set->table);
    free(set->modules);
    free(set->trampolines);
    free(set->steps);
    buffer_deinit(&set->bytes);
    free(set->writes);
    free(set->arenas);
    free(set->others);
    free(set->held);
    maps_deinit(&set->maps);
    free(set);
}

void patch_set_reserve(struct patch_set *set, const struct memory_range *reserved, size_t count,
                       uint64_t instruction) {
    set->reserved = (struct room_reserved){reserved, count};
    set->instruction = instruction;
    set->is_puppet = true;
}

static struct error *copy_array(void *to, const void *from, size_t count, size_t *room, size_t size) {
    void *copy = malloc(count ? count * size : 1);
    if (!copy)
        return &error_no_memory;
    if (count)
        memcpy(copy, from, count * size);
    *(void **)to = copy;
    *room = count;
    return NULL;
}

#define COPY(name, singular)                                                                                 \
    do {                                                                                                     \
        TRY(copy_array(&copy->name, set->name, set->singular##_count, &copy->singular##_room,                \
                       sizeof(*set->name)));                                                                 \
        copy->singular##_count = set->singular##_count;                                                      \
    } while (0)

static struct error *copy_set(const struct patch_set *set, struct patch_set *copy) {
    struct patch_record *record;
    for (size_t i = 0; i < set->record_count; i++)
        TRY(insert(copy, set->records[i], &record));
    for (size_t i = 0; i < set->module_count; i++) {
        const struct patch_module *module = &set->modules[i];
        TRY(patch_grow(&copy->modules, copy->module_count, &copy->module_room, sizeof(*copy->modules)));
        struct patch_module *twin = &copy->modules[copy->module_count++];
        *twin = (struct patch_module){.code = module->code, .bias = module->bias, .plan.code = module->code};
        TRY(copy_array(&twin->plan.windows, module->plan.windows, module->plan.count, &twin->plan.room,
                       sizeof(*module->plan.windows)));
        twin->plan.count = module->plan.count;
        TRY(copy_array(&twin->plan.redirects, module->plan.redirects, module->plan.redirect_count,
                       &twin->plan.redirect_room, sizeof(*module->plan.redirects)));
        twin->plan.redirect_count = module->plan.redirect_count;
        size_t words = module->plan.taken ? (module->code->high - module->code->low) / 64 + 1 : 0, room;
        if (words)
            TRY(copy_array(&twin->plan.taken, module->plan.taken, words, &room, sizeof(uint64_t)));
    }
    COPY(trampolines, trampoline);
    COPY(steps, step);
    COPY(writes, write);
    COPY(arenas, arena);
    COPY(others, other);
    buffer_put(&copy->bytes, set->bytes.data, set->bytes.size);
    copy->is_sorted = set->is_sorted;
    copy->armed = set->armed;
    copy->has_gone = set->has_gone;
    copy->instruction = set->instruction;
    copy->reserved = set->reserved;
    copy->is_puppet = set->is_puppet;
    copy->checked = set->checked;
    return buffer_check(&copy->bytes);
}

struct error *patch_set_clone(const struct patch_set *set, struct patch_set **ret) {
    struct patch_set *copy;
    TRY(patch_set_create(&copy));
    struct error *err = copy_set(set, copy);
    if (err) {
        patch_set_destroy(copy);
        return err;
    }
    *ret = copy;
    return NULL;
}

struct error *patch_add_code(struct patch_set *set, uint64_t start, uint64_t end) {
    TRY(patch_grow(&set->others, set->other_count, &set->other_room, sizeof(*set->others)));
    set->others[set->other_count++] = (struct patch_extent){start, end};
    return NULL;
}

struct error *patch_read_maps(struct patch_set *set, struct task *task) {
    struct maps maps;
    TRY(maps_read(task->tid, &maps));
    maps_deinit(&set->maps);
    set->maps = maps;
    return NULL;
}

/* ---- adding ---- */

static struct error *find_module(struct patch_set *set, const struct patch_code *code, uint64_t bias,
                                 uint32_t *ret) {
    for (size_t i = set->module_count; i-- > 0;)
        if (set->modules[i].code == code && set->modules[i].bias == bias) {
            *ret = (uint32_t)i;
            return NULL;
        }
    TRY(patch_grow(&set->modules, set->module_count, &set->module_room, sizeof(*set->modules)));
    set->modules[set->module_count] = (struct patch_module){.code = code, .bias = bias, .plan.code = code};
    *ret = (uint32_t)set->module_count++;
    return NULL;
}

struct error *patch_add(struct patch_set *set, const struct patch_code *code, uint64_t bias, uint64_t vaddr,
                        unsigned kinds, void *user, struct patch_site **ret) {
    struct patch_record *record = lookup(set, vaddr + bias);
    uint32_t module;
    TRY(find_module(set, code, bias, &module));
    if (!record) {
        struct patch_record model = {.module = module, .is_pending = true};
        model.site = (struct patch_site){.address = vaddr + bias, .user = user};
        model.site.obstacle = patch_code_where(code, vaddr, &model.where);
        model.where += bias;
        TRY(insert(set, &model, &record));
    }
    record->site.kinds |= kinds;
    if (ret)
        *ret = &record->site;
    return NULL;
}

struct error *patch_avoid(struct patch_set *set, const struct patch_code *code, uint64_t bias,
                          uint64_t vaddr) {
    uint32_t module;
    TRY(find_module(set, code, bias, &module));
    return patch_plan_take(&set->modules[module].plan, vaddr, vaddr + 1);
}

/* ---- forgetting ---- */

void patch_forget_range(struct patch_set *set, uint64_t start, uint64_t end) {
    size_t kept = 0;
    for (size_t i = 0; i < set->write_count; i++) {
        struct patch_write *write = &set->writes[i];
        bool is_gone = write->address >= start && write->address < end;
        if (is_gone)
            set->has_gone = set->trampolines[write->trampoline].is_gone = true;
        if (is_gone && write->is_armed)
            set->armed--;
        if (!is_gone)
            set->writes[kept++] = *write;
    }
    set->write_count = kept;
    kept = 0;
    for (size_t i = 0; i < set->record_count; i++) {
        struct patch_record *record = set->records[i];
        if (record->site.address >= start && record->site.address < end)
            free(record);
        else
            set->records[kept++] = record;
    }
    set->record_count = kept;
    memset(set->table, 0, set->table_room * sizeof(struct patch_record *));
    for (size_t i = 0; i < set->record_count; i++)
        set->table[place_of(set, set->records[i]->site.address)] = set->records[i];
    for (size_t i = 0; i < set->module_count; i++) { /* what is loaded there later is another module */
        struct patch_module *module = &set->modules[i];
        uint64_t at = module->bias + (module->code ? module->code->low : 0);
        if (!module->code || at < start || at >= end)
            continue;
        patch_plan_deinit(&module->plan);
        module->code = NULL;
    }
}
