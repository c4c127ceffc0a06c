#include "tracer/locate.h"

#include "dwarf/evaluation.h"

/* For entry values: the caller's module. */
static struct module *module_at(void *context, uint64_t address, uint64_t *ret_bias) {
    const struct locate_request *request = context;
    const struct loaded_module *loaded = process_modules_find(request->modules, address);
    if (!loaded)
        return NULL;
    *ret_bias = loaded->bias;
    return loaded->module->module;
}

/* What stands at a location that was found. */
struct located {
    struct evaluation evaluation;
    struct evaluation_callbacks callbacks;
    struct location location;
};

/* NOTE_OK: located->location is to be freed. */
static enum plan_state find(const struct locate_request *request, struct located *located) {
    located->callbacks = (struct evaluation_callbacks){.context = (void *)request, .module_at = module_at};
    struct error *err =
        evaluation_init(&located->evaluation, request->module->module, request->function, request->bias,
                        request->registers, request->memory, &located->callbacks);
    if (!err)
        err = variable_locate(&located->evaluation, request->variable, &located->location);
    if (!err)
        return NOTE_OK;
    error_free(err);
    return NOTE_UNREADABLE;
}

enum plan_state locate_bytes(const struct locate_request *request, void *ret, size_t size) {
    static const enum plan_state states[] = {[LOCATION_OK] = NOTE_OK,
                                             [LOCATION_OPTIMIZED_OUT] = NOTE_OPTIMIZED_OUT,
                                             [LOCATION_UNREADABLE] = NOTE_UNREADABLE};
    struct located located;
    enum plan_state state = find(request, &located);
    if (state != NOTE_OK)
        return state;
    state = states[location_read(&located.location, &located.evaluation.context, 8 * (uint64_t)size, ret)];
    location_deinit(&located.location);
    return state;
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
        state = NOTE_OK;
    }
    location_deinit(&located.location);
    return state;
}
