#include "tracer/locate.h"

#include "dwarf/evaluation.h"
#include "tracer/tls.h"

#include <string.h>

/* What stands at a location that was found. */
struct located {
    const struct locate_request *request;
    struct evaluation evaluation;
    struct evaluation_callbacks callbacks;
    struct location location;
    bool unallocated; /* it is thread-local, and the thread has no block for it */
};

/* For entry values: the caller's module. */
static struct module *module_at(void *context, uint64_t address, uint64_t *ret_bias) {
    const struct located *located = context;
    const struct loaded_module *loaded = process_modules_find(located->request->modules, address);
    if (!loaded)
        return NULL;
    *ret_bias = loaded->bias;
    return loaded->module->module;
}

/* Those of callers, which entry values ask for, are none of ours. */
static struct error *thread_local_address(void *context, struct module *module, uint64_t offset,
                                          uint64_t *ret) {
    struct located *located = context;
    const struct locate_request *request = located->request;
    const struct tls_request tls = {.modules = request->modules,
                                    .module = module,
                                    .bias = request->bias,
                                    .program_entry = request->program_entry,
                                    .thread_pointer = request->thread_pointer,
                                    .memory = request->memory};
    return tls_address(&tls, offset, ret, &located->unallocated);
}

static bool entry_register(void *context, unsigned reg, uint64_t *ret) {
    const struct located *located = context;
    const struct entry_registers *entry = located->request->entry;
    if (!entry || reg >= 16 || !(entry->known >> reg & 1))
        return false;
    *ret = entry->value[reg];
    return true;
}

static struct error *prepare(const struct locate_request *request, struct located *located) {
    located->request = request;
    located->unallocated = false;
    located->callbacks = (struct evaluation_callbacks){.context = located,
                                                       .module_at = module_at,
                                                       .tls_address = thread_local_address,
                                                       .entry_register = entry_register};
    return evaluation_init(&located->evaluation, request->module->module, request->function, request->bias,
                           request->registers, request->memory, &located->callbacks);
}

/* NOTE_OK: located->location is to be freed. */
static enum plan_state find(const struct locate_request *request, struct located *located) {
    struct error *err = prepare(request, located);
    if (!err)
        err = variable_locate(&located->evaluation, request->variable, &located->location);
    if (!err)
        return NOTE_OK;
    error_free(err);
    return located->unallocated ? NOTE_NOT_ALLOCATED : NOTE_UNREADABLE;
}

enum plan_state locate_number(const struct locate_request *request, const uint8_t *expression, size_t size,
                              int64_t *ret) {
    struct located located;
    uint64_t value;
    struct error *err = prepare(request, &located);
    if (!err)
        err = variable_number(&located.evaluation, request->variable, expression, size, &value);
    if (err) {
        error_free(err);
        return NOTE_UNREADABLE;
    }
    *ret = (int64_t)value;
    return NOTE_OK;
}

enum plan_state locate_bytes(const struct locate_request *request, void *ret, size_t size) {
    static const enum plan_state states[] = {[LOCATION_OK] = NOTE_OK,
                                             [LOCATION_OPTIMIZED_OUT] = NOTE_OPTIMIZED_OUT,
                                             [LOCATION_UNREADABLE] = NOTE_UNREADABLE};
    struct located located;
    enum plan_state state = find(request, &located);
    if (state == NOTE_NOT_ALLOCATED)
        memset(ret, 0, size);
    if (state != NOTE_OK)
        return state;
    state = states[location_read(&located.location, &located.evaluation.context, 8 * (uint64_t)size, ret)];
    location_deinit(&located.location);
    return state == NOTE_OK && located.unallocated ? NOTE_NOT_ALLOCATED : state;
}

enum plan_state locate_address(const struct locate_request *request, uint64_t *ret) {
    struct located located;
    enum plan_state state = find(request, &located);
    if (state != NOTE_OK)
        return state;
    const struct location_piece *piece = located.location.pieces;
    state = NOTE_OPTIMIZED_OUT;
    if (located.location.count == 1 && piece->kind == PIECE_MEMORY && !piece->bit_offset) {
        *ret = piece->address;
        state = located.unallocated ? NOTE_NOT_ALLOCATED : NOTE_OK;
    }
    location_deinit(&located.location);
    return state;
}
