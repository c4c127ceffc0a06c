#include "dwarf/entry_value.h"

#include "dwarf/module_private.h"
#include "dwarf/name.h"

#include <stdlib.h>
#include <string.h>

/* Callers of callers that are asked; each asks through one more. */
#define DEPTH_MAX 8

static struct error *unknown(void) {
    return error_new(ERROR_NOT_FOUND, "entry value: not known any more");
}

/* What is looked for among the parameters of a call. */
struct wanted {
    struct bytes expression;    /* where the callee finds it: a register */
    struct die_place parameter; /* or which parameter it is */
};

static bool is_wanted(const struct die *die, const struct wanted *wanted) {
    struct attribute attribute;
    struct bytes expression;
    struct die_place place;
    if (die_tag(die) != DW_TAG_call_site_parameter && die_tag(die) != DW_TAG_GNU_call_site_parameter)
        return false;
    if (wanted->parameter.file)
        return (die_attribute(die, DW_AT_call_parameter, &attribute) ||
                die_attribute(die, DW_AT_abstract_origin, &attribute)) &&
               attribute_place(&attribute, &place) && place.file == wanted->parameter.file &&
               place.offset == wanted->parameter.offset;
    return die_attribute(die, DW_AT_location, &attribute) && attribute_expression(&attribute, &expression) &&
           expression.size == wanted->expression.size &&
           !memcmp(expression.data, wanted->expression.data, expression.size);
}

/* The expression that computes it in the caller's frame. */
static bool find_value(const struct die *site, const struct wanted *wanted, struct bytes *ret) {
    struct attribute attribute;
    struct die child;
    if (!site->abbreviation->children)
        return false;
    for (uint64_t at = die_end(site); at && die_read(site->unit, at, &child) && child.abbreviation;
         at = die_sibling(&child))
        if (is_wanted(&child, wanted) && (die_attribute(&child, DW_AT_call_value, &attribute) ||
                                          die_attribute(&child, DW_AT_GNU_call_site_value, &attribute)))
            return attribute_expression(&attribute, ret);
    return false;
}

static struct error *call_site_at(struct module *module, const struct function *caller,
                                  uint64_t return_address, struct die *ret) {
    const struct call_site *sites;
    size_t count;
    TRY(function_call_sites(module, caller, &sites, &count));
    for (size_t i = 0; i < count; i++)
        if (sites[i].return_address == return_address && !sites[i].tail_call && die_at(&sites[i].place, ret))
            return NULL;
    return unknown();
}

/* Does the call go to this function? If it goes elsewhere, a tail call has taken its place and its registers.
 */
static bool calls(const struct die *site, struct evaluation *caller, const struct evaluation *callee) {
    const struct function *function = callee->function;
    struct attribute attribute;
    struct bytes expression;
    struct die target;
    uint64_t address;
    if ((die_attribute(site, DW_AT_call_origin, &attribute) ||
         die_attribute(site, DW_AT_abstract_origin, &attribute)) &&
        attribute_reference(&attribute, &target)) {
        struct arena scratch = {0};
        struct names names;
        bool same = names_from_die(&scratch, &target, false, &names) && names.name &&
                    (!strcmp(names.name, function->name) ||
                     (names.linkage && !strcmp(names.linkage, function->linkage_name)));
        arena_deinit(&scratch);
        return same;
    }
    if (!(die_attribute(site, DW_AT_call_target, &attribute) ||
          die_attribute(site, DW_AT_GNU_call_site_target, &attribute)) ||
        !attribute_expression(&attribute, &expression))
        return false;
    struct error *err =
        location_evaluate_address(expression.data, expression.size, &caller->context, NULL, &address);
    bool same = !err && address == function->entry + callee->bias;
    error_free(err);
    return same;
}

static struct error *ask_caller(struct evaluation *callee, const struct wanted *wanted,
                                struct location_value *ret) {
    const struct evaluation_callbacks *callbacks = callee->callbacks;
    const struct function *function;
    struct evaluation caller;
    struct bytes expression;
    struct die site;
    uint64_t return_address, pc, bias;
    evaluation_unwind(callee);
    if (callee->depth >= DEPTH_MAX || !callee->has_caller || !callbacks || !callbacks->module_at ||
        !frame_register(&callee->caller, FRAME_RIP, &return_address) || !frame_pc(&callee->caller, &pc))
        return unknown();
    struct module *module = callbacks->module_at(callbacks->context, pc, &bias);
    if (!module)
        return unknown();
    TRY(module_function_at(module, pc - bias, &function));
    TRY(call_site_at(module, function, return_address - bias, &site));
    TRY(evaluation_init(&caller, module, function, bias, &callee->caller, callee->memory, callbacks));
    caller.depth = callee->depth + 1;
    evaluation_set_unit(&caller, site.unit);
    if (!calls(&site, &caller, callee) || !find_value(&site, wanted, &expression))
        return unknown();
    return location_evaluate_value(expression.data, expression.size, &caller.context, NULL, ret);
}

/* A register at an entry that was watched. */
static bool was_seen(const struct evaluation *evaluation, const uint8_t *expression, size_t size,
                     struct location_value *ret) {
    const struct evaluation_callbacks *callbacks = evaluation->callbacks;
    uint64_t value;
    if (evaluation->depth || size != 1 || expression[0] < DW_OP_reg0 || expression[0] > DW_OP_reg31 ||
        !callbacks || !callbacks->entry_register ||
        !callbacks->entry_register(callbacks->context, expression[0] - DW_OP_reg0, &value))
        return false;
    location_value_from_u64(value, ret);
    return true;
}

struct error *entry_value(void *context, const uint8_t *expression, size_t size, struct location_value *ret) {
    struct evaluation *evaluation = context;
    /* Before its first instruction has run, everything still is as it was. */
    if (evaluation->vaddr == evaluation->function->entry)
        return location_evaluate_value(expression, size, &evaluation->context, NULL, ret);
    if (was_seen(evaluation, expression, size, ret))
        return NULL;
    return ask_caller(evaluation, &(struct wanted){.expression = {expression, size}}, ret);
}

struct error *entry_parameter(void *context, uint64_t unit_offset, struct location_value *ret) {
    struct evaluation *evaluation = context;
    struct wanted wanted = {.parameter = {evaluation->unit->file, 0, evaluation->unit->in_types}};
    if (__builtin_add_overflow(evaluation->unit->offset, unit_offset, &wanted.parameter.offset))
        return unknown();
    return ask_caller(evaluation, &wanted, ret);
}
