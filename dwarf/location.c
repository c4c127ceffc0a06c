#include "dwarf/location.h"

#include "dwarf/location_machine.h"
#include "dwarf/location_value.h"

#include <stdlib.h>
#include <string.h>

void location_deinit(struct location *location) {
    for (size_t i = 0; i < location->count; i++)
        free(location->pieces[i].bytes);
    free(location->pieces);
    memset(location, 0, sizeof(*location));
}

/* initial: see location_evaluate_value(). */
static struct error *run(struct location_machine *machine, const uint8_t *expression, size_t size,
                         const uint64_t *initial) {
    if (machine->context->address_size != sizeof(uint64_t))
        return error_new(ERROR_UNSUPPORTED, "DWARF expression: addresses of %u bytes",
                         machine->context->address_size);
    if (initial)
        TRY(location_push_u64(machine, *initial));
    return location_machine_run(machine, expression, size);
}

/* What is left when the expression is over is the one and only location, if there are no pieces. */
static struct error *finish(struct location_machine *machine) {
    if (machine->gone) {
        location_deinit(&machine->location);
        machine->room = 0;
        machine->has_simple = false;
        machine->fresh = true;
    }
    if (!machine->location.count)
        return location_machine_piece(machine, 0, 0);
    if (!machine->fresh)
        return location_bad("it goes on behind the last piece");
    return NULL;
}

struct error *location_evaluate(const uint8_t *expression, size_t size,
                                const struct location_context *context, struct location *ret) {
    struct location_machine machine;
    location_machine_init(&machine, context);
    struct error *err = run(&machine, expression, size, NULL);
    if (!err)
        err = finish(&machine);
    if (err) {
        location_deinit(&machine.location);
        return err;
    }
    *ret = machine.location;
    return NULL;
}

/* ---- numbers ---- */

static struct error *simple_to_value(const struct location_machine *machine, struct location_value *ret) {
    uint64_t word = 0;
    switch (machine->simple.kind) {
    case PIECE_REGISTER:
        if (!machine->context->registers ||
            !frame_register_bytes(machine->context->registers, machine->simple.reg, &word, sizeof(word)))
            return error_new(ERROR_NOT_FOUND, "DWARF expression: the value of register %u is not known",
                             machine->simple.reg);
        location_value_from_u64(word, ret);
        return NULL;
    case PIECE_BYTES:
        if (machine->simple_is_value) {
            *ret = machine->value;
            return NULL;
        }
        if (machine->data_size > sizeof(word))
            return location_bad("a value that is too large for a number");
        if (machine->data_size)
            memcpy(&word, machine->data, machine->data_size);
        location_value_from_u64(word, ret);
        return NULL;
    default:
        return error_new(ERROR_NOT_FOUND, "DWARF expression: it yields no number");
    }
}

static struct error *to_value(struct location_machine *machine, struct location_value *ret) {
    if (machine->location.count)
        return location_bad("pieces where a number should be");
    if (machine->has_simple && !machine->gone)
        return simple_to_value(machine, ret);
    if (machine->gone || !machine->depth)
        return error_new(ERROR_NOT_FOUND, "DWARF expression: it yields no number");
    *ret = machine->stack[machine->depth - 1];
    return NULL;
}

struct error *location_evaluate_value(const uint8_t *expression, size_t size,
                                      const struct location_context *context, const uint64_t *initial,
                                      struct location_value *ret) {
    struct location_machine machine;
    struct location_value value = {.bytes = {0}};
    location_machine_init(&machine, context);
    struct error *err = run(&machine, expression, size, initial);
    if (!err)
        err = to_value(&machine, &value);
    location_deinit(&machine.location);
    if (!err)
        *ret = value;
    return err;
}

struct error *location_evaluate_address(const uint8_t *expression, size_t size,
                                        const struct location_context *context, const uint64_t *initial,
                                        uint64_t *ret) {
    struct location_value value;
    TRY(location_evaluate_value(expression, size, context, initial, &value));
    if (!location_value_to_u64(&value, ret))
        return location_bad("an integer is needed and it yields something else");
    return NULL;
}
