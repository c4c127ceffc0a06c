#include "tracer/function_sites.h"

#include "dwarf/cfi.h"
#include "dwarf/encoding.h"
#include "dwarf/line.h"

#include <stdlib.h>
#include <string.h>

void site_forget_places(struct site *site) {
    for (struct place_probe *place = site->places, *next; place; place = next) {
        next = place->next;
        free(place);
    }
    site->places = NULL;
}

void traced_function_destroy(struct traced_function *function) {
    if (!function)
        return;
    for (size_t i = 0; i < function->site_count; i++) {
        plan_deinit(&function->sites[i].plan);
        free(function->sites[i].stored);
        free(function->sites[i].obstacle);
        site_forget_places(&function->sites[i]);
    }
    free(function->sites);
    if (function->has_abi)
        abi_call_deinit(&function->abi);
    branches_deinit(&function->branches);
    free((void *)function->rows.rows);
    function_code_deinit(&function->code);
    free(function->variable_types);
    free(function->arguments);
    free(function->namesakes);
    free(function->conditions);
    free(function);
}

/* ---- the table of sites ---- */

static int compare_sites(const void *a, const void *b) {
    uint64_t x = ((const struct site *)a)->vaddr, y = ((const struct site *)b)->vaddr;
    return x < y ? -1 : x > y;
}

struct site *traced_function_site(const struct traced_function *function, uint64_t vaddr) {
    const struct site key = {.vaddr = vaddr};
    return function->site_count
               ? bsearch(&key, function->sites, function->site_count, sizeof(key), compare_sites)
               : NULL;
}

/* Something that makes an address a site; a site may have several. */
struct mention {
    uint64_t vaddr;
    enum site_kind kind;
    const struct line_row *row; /* SITE_STATEMENT */
};

struct mentions {
    struct mention *mentions;
    size_t count, room;
};

static struct error *mention(struct mentions *mentions, uint64_t vaddr, enum site_kind kind,
                             const struct line_row *row) {
    if (mentions->count == mentions->room) {
        size_t room = mentions->room ? mentions->room * 2 : 16;
        struct mention *grown = realloc(mentions->mentions, room * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        mentions->mentions = grown;
        mentions->room = room;
    }
    mentions->mentions[mentions->count++] = (struct mention){vaddr, kind, row};
    return NULL;
}

/* By address; statements of one address in the order of their rows. */
static int compare_mentions(const void *a, const void *b) {
    const struct mention *x = a, *y = b;
    if (x->vaddr != y->vaddr)
        return x->vaddr < y->vaddr ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* One site for each address. Of several statements there the last one holds. */
static struct error *make_sites(struct traced_function *function, struct mentions *mentions) {
    qsort(mentions->mentions, mentions->count, sizeof(*mentions->mentions), compare_mentions);
    function->sites = calloc(mentions->count, sizeof(*function->sites));
    if (!function->sites)
        return &error_no_memory;
    for (size_t i = 0; i < mentions->count; i++) {
        const struct mention *each = &mentions->mentions[i];
        if (!i || each->vaddr != each[-1].vaddr)
            function->sites[function->site_count++] =
                (struct site){.vaddr = each->vaddr, .module = function->module, .function = function};
        struct site *site = &function->sites[function->site_count - 1];
        site->kinds |= each->kind;
        if (each->row) {
            site->line = each->row->line;
            site->file = each->row->file;
        }
    }
    return NULL;
}

/* ---- types ---- */

/* gcc has made a copy that takes its arguments in another way (dwarf/abi.h). */
static bool is_changed_clone(const struct function *function) {
    static const char *const suffixes[] = {".isra.", ".constprop.", ".part."};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (function->linkage_name && strstr(function->linkage_name, suffixes[i]))
            return true;
    return false;
}

enum { DW_CC_NOCALL = 3 }; /* DW_CC_nocall: not to be called by the rules of the ABI */

/* There may be thousands of variables, of what was inlined. */
static struct error *find_arguments(struct traced_function *function) {
    function->arguments = calloc(function->variables.count + 1, sizeof(*function->arguments));
    if (!function->arguments)
        return &error_no_memory;
    for (size_t i = 0; i < function->variables.count; i++)
        if (function->variables.variables[i].parameter && function->variables.variables[i].inlined < 0)
            function->arguments[function->argument_count++] = (uint32_t)i;
    uint32_t *fitting =
        realloc(function->arguments, (function->argument_count + 1) * sizeof(*function->arguments));
    function->arguments = fitting ? fitting : function->arguments;
    return NULL;
}

static struct error *load_types(struct traced_function *function) {
    const struct function *f = function->function;
    TRY(find_arguments(function));
    function->variable_types = calloc(function->variables.count + 1, sizeof(*function->variable_types));
    if (!function->variable_types)
        return &error_no_memory;
    for (size_t i = 0; i < function->variables.count; i++) {
        const struct variable *variable = &function->variables.variables[i];
        if (variable->type.file) /* damaged types are shown as such, the rest is fine */
            error_free(traced_module_type(function->module, &variable->type, &function->variable_types[i]));
    }
    if (f->source != FUNCTION_DWARF)
        return NULL;
    error_free(traced_module_type(function->module, &f->return_type, &function->return_type));
    const struct type *type;
    struct error *err = traced_module_type(function->module, &f->place, &type);
    function->is_private = is_changed_clone(f) || (!err && type->convention == DW_CC_NOCALL);
    if (!err && !function->is_private)
        err = abi_call_init(&function->abi, type);
    function->has_abi = !err && !function->is_private;
    error_free(err);
    return NULL;
}

uint32_t traced_variable_size(const struct traced_function *function, size_t index) {
    const struct type *type = function->variable_types[index];
    if (!type)
        return 0;
    type = type_strip(type);
    if (!type->has_size)
        return 0;
    return type->size < PLAN_VALUE_MOST ? (uint32_t)type->size : PLAN_VALUE_MOST;
}

bool traced_variable_is_counted(const struct traced_function *function, size_t index) {
    const struct type *type = function->variable_types[index];
    if (!type || !*function->variables.variables[index].name)
        return false;
    type = type_strip(type);
    if (type->kind == TYPE_STRING)
        return !type->has_size && type->string_length.kind != BOUND_NONE;
    if (type->kind != TYPE_ARRAY || type->has_size || type->data_location.size || !type->dimension_count ||
        !type->target->has_size)
        return false;
    for (size_t i = 0; i < type->dimension_count; i++)
        if (!type->dimensions[i].known && type->dimensions[i].upper.kind == BOUND_NONE)
            return false;
    return true;
}

/* ---- plans: from location expressions to steps ----
 *
 * Opcodes: DWARF 5, section 7.7.1. */

enum {
    OP_ADDR = 0x03,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_REG0 = 0x50,
    OP_REG31 = 0x6f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_FBREG = 0x91,
    OP_CALL_FRAME_CFA = 0x9c,
    OP_STACK_VALUE = 0x9f,
};

/* Signed LEB128 that is all of the bytes; false when it is not. */
static bool whole_sleb(const uint8_t *bytes, size_t size, int64_t *ret) {
    struct cursor cursor;
    cursor_init(&cursor, bytes, size, "expression");
    *ret = encoding_sleb128(&cursor);
    return !cursor.failed && !cursor_left(&cursor);
}

/* The frame base at an address, as register + offset. */
static bool frame_base(const struct traced_function *function, uint64_t vaddr, unsigned *ret_reg,
                       int64_t *ret_offset) {
    struct variable_location base;
    if (!function_frame_base(function->module->module, function->function, vaddr, &base) || !base.size)
        return false;
    uint8_t op = base.expression[0];
    *ret_offset = 0;
    if (op >= OP_REG0 && op <= OP_REG31 && base.size == 1) { /* as a location: the register's contents */
        *ret_reg = op - OP_REG0;
        return true;
    }
    if (op >= OP_BREG0 && op <= OP_BREG31) {
        *ret_reg = op - OP_BREG0;
        return whole_sleb(base.expression + 1, base.size - 1, ret_offset);
    }
    struct cfi_row row;
    if (op != OP_CALL_FRAME_CFA || base.size != 1)
        return false;
    struct error *err = unwind_row(function->module->unwind, vaddr, &row);
    if (err || row.cfa.kind != CFI_VAL_OFFSET) {
        error_free(err);
        return false;
    }
    *ret_reg = (unsigned)row.cfa.reg;
    *ret_offset = row.cfa.offset;
    return true;
}

/* The distance of the CFA from rsp; false when it is told by another register, or not known. */
static bool rsp_distance(const struct traced_function *function, uint64_t vaddr, int64_t *ret) {
    struct cfi_row row;
    struct error *err = unwind_row(function->module->unwind, vaddr, &row);
    bool known = !err && row.cfa.kind == CFI_VAL_OFFSET && row.cfa.reg == FRAME_RSP;
    error_free(err);
    if (known)
        *ret = row.cfa.offset;
    return known;
}

/* The farthest that rsp is from the CFA at any row. */
static int64_t farthest_rsp(const struct traced_function *function) {
    int64_t each, most = 0;
    for (size_t i = 0; i < function->rows.count; i++)
        if (rsp_distance(function, function->rows.rows[i].address, &each) && each > most)
            most = each;
    return most;
}

/* Is rsp as low as it is in the body, behind the prologue and before the epilogue? */
static bool rsp_is_low(const struct traced_function *function, uint64_t vaddr) {
    int64_t distance;
    return !rsp_distance(function, vaddr, &distance) ||
           distance >= (function->rsp_most ? function->rsp_most : farthest_rsp(function));
}

/* Does the expression say something true at this address? Compilers let locations that are relative to rbp or
 * rsp reach over the epilogue, where rbp is the caller's and rsp is another. */
static bool is_frame_made(const struct traced_function *function, const struct variable_location *location,
                          uint64_t vaddr) {
    unsigned reg;
    int64_t offset;
    struct variable_location base;
    uint8_t op = location->size ? location->expression[0] : 0;
    if (op == OP_BREG0 + FRAME_RSP)
        return rsp_is_low(function, vaddr);
    if (op != OP_FBREG || !function_frame_base(function->module->module, function->function, vaddr, &base) ||
        !base.size || base.expression[0] == OP_CALL_FRAME_CFA || !frame_base(function, vaddr, &reg, &offset))
        return true;
    return reg == FRAME_RSP ? rsp_is_low(function, vaddr) : !rsp_distance(function, vaddr, &offset);
}

/* The step for an expression; PLAN_ASK when no plain step says it. */
static struct plan_step step_of(const struct traced_function *function,
                                const struct variable_location *location, uint64_t vaddr) {
    const uint8_t *expression = location->expression;
    struct plan_step step = {.operation = PLAN_ASK};
    uint8_t op = location->size ? expression[0] : 0;
    size_t rest = location->size - 1;
    int64_t offset;
    if (!location->size) {
        step.operation = PLAN_NOTHING;
    } else if (op >= OP_REG0 && op <= OP_REG31 && location->size == 1) {
        step.operation = PLAN_REGISTER;
        step.reg = op - OP_REG0;
    } else if (op >= OP_BREG0 && op <= OP_BREG31 && whole_sleb(expression + 1, rest, &step.offset)) {
        step.operation = PLAN_MEMORY;
        step.reg = op - OP_BREG0;
    } else if (op == OP_FBREG && whole_sleb(expression + 1, rest, &step.offset) &&
               frame_base(function, vaddr, &step.reg, &offset)) {
        step.operation = PLAN_MEMORY;
        step.offset += offset;
    } else if (op == OP_ADDR && location->size == 9) {
        step.operation = PLAN_ABSOLUTE;
        memcpy(&step.offset, expression + 1, sizeof(step.offset));
    } else if (op >= OP_LIT0 && op <= OP_LIT31 && location->size == 2 && expression[1] == OP_STACK_VALUE) {
        step.operation = PLAN_CONSTANT;
        step.value[0] = op - OP_LIT0;
    }
    return step;
}

bool traced_variable_has_parts(const struct traced_function *function, size_t index) {
    const struct type *type = function->variable_types[index]; /* NULL: its description is damaged */
    if (!type)
        return false;
    type = type_strip(type);
    return type->kind == TYPE_STRUCT || type->kind == TYPE_CLASS || type->kind == TYPE_UNION ||
           type->kind == TYPE_ARRAY;
}

/* gcc does not follow small structs through optimised code: it names one register for all of their scope,
 * whatever else that is used for. */
static bool is_untracked(const struct traced_function *function, size_t index,
                         const struct variable_location *location) {
    return function->optimized && traced_variable_has_parts(function, index) && location->size == 1 &&
           location->low == 0 && location->high == UINT64_MAX && location->expression[0] >= OP_REG0 &&
           location->expression[0] <= OP_REG31;
}

bool traced_variable_holds(const struct traced_function *function, size_t index, uint64_t vaddr) {
    const struct variable *variable = &function->variables.variables[index];
    const struct variable_location *location = variable_location_at(variable, vaddr);
    const struct function *f = function->function;
    if (!location || variable->is_static)
        return true;
    bool everywhere = !location->low && location->high == UINT64_MAX;
    if (everywhere && vaddr >= f->entry && vaddr < function_body(function->module->module, f))
        return false;
    return is_frame_made(function, location, vaddr) && !is_untracked(function, index, location);
}

static struct plan_step step_for(const struct traced_function *function, size_t index, uint64_t vaddr) {
    const struct variable *variable = &function->variables.variables[index];
    const struct variable_location *location = variable_location_at(variable, vaddr);
    bool counted = traced_variable_is_counted(function, index);
    uint32_t size = traced_look_size(function, index);
    struct plan_step step = {.operation = PLAN_NOTHING};
    if (!traced_variable_holds(function, index, vaddr))
        step.operation = PLAN_NOTHING;
    else if (location)
        step = step_of(function, location, vaddr);
    else if (variable->has_constant && size <= sizeof(step.value))
        step = (struct plan_step){.operation = PLAN_CONSTANT};
    if (!location && variable->has_constant && size <= sizeof(step.value))
        memcpy(step.value, variable->constant,
               variable->constant_size < size ? variable->constant_size : size);
    if (step.operation == PLAN_CONSTANT && size > sizeof(step.value))
        step.operation = PLAN_ASK;
    if ((step.operation == PLAN_REGISTER && size > 16) || (step.operation != PLAN_NOTHING && counted))
        step.operation = PLAN_ASK;
    step.item = (uint32_t)index;
    step.size = size;
    return step;
}

struct error *variables_plan(const struct traced_function *function, uint64_t vaddr,
                             bool (*wanted)(const struct traced_function *function, size_t index,
                                            uint64_t vaddr),
                             struct plan *ret) {
    for (size_t i = 0; i < function->variables.count; i++) {
        if (!wanted(function, i, vaddr))
            continue;
        struct plan_step step = step_for(function, i, vaddr);
        if (step.size || step.operation == PLAN_NOTHING)
            TRY(plan_add(ret, &step));
    }
    return plan_add(ret, &(struct plan_step){.operation = PLAN_END});
}

/* Is this one seen there: in scope, and not hidden by one of the same name further inside? */
static bool visible(const struct traced_function *function, size_t index, uint64_t vaddr) {
    const struct variable *variable = &function->variables.variables[index];
    if (!*variable->name || variable->artificial || !traced_look_size(function, index) ||
        !variable_in_scope(variable, vaddr))
        return false;
    if (variable->parameter && traced_variable_is_counted(function, index) &&
        type_strip(function->variable_types[index])->kind == TYPE_ARRAY)
        return false; /* Fortran: its bounds are worked out on the way, nothing says where */
    for (size_t i = function->namesakes[index]; i != index; i = function->namesakes[i]) {
        const struct variable *other = &function->variables.variables[i];
        if (other->depth > variable->depth && variable_in_scope(other, vaddr))
            return false;
    }
    return true;
}

static int compare_names(const void *a, const void *b, void *context) {
    const struct variable *variables = context;
    return strcmp(variables[*(const uint32_t *)a].name, variables[*(const uint32_t *)b].name);
}

/* Variables of one name make a ring. */
static struct error *find_namesakes(struct traced_function *function) {
    const struct variable *variables = function->variables.variables;
    size_t count = function->variables.count;
    uint32_t *order = calloc(count + 1, sizeof(*order));
    function->namesakes = calloc(count + 1, sizeof(*function->namesakes));
    if (!order || !function->namesakes) {
        free(order);
        return &error_no_memory;
    }
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, count, sizeof(*order), compare_names, (void *)(uintptr_t)variables);
    for (size_t first = 0, i = 0; i < count; i++) {
        bool last = i + 1 == count || strcmp(variables[order[i]].name, variables[order[i + 1]].name) != 0;
        function->namesakes[order[i]] = order[last ? first : i + 1];
        if (last)
            first = i + 1;
    }
    free(order);
    return NULL;
}

/* ---- finding the sites ---- */

enum { LANGUAGE_CODE_RUST = 0x1c }; /* DW_LANG_Rust: rustc needs no rbp even without optimisation */

/* Without optimisation variables have one place each, rbp or the CFA holds the frame, and calls are not
 * described. */
static bool is_optimized(const struct traced_function *function) {
    const struct function *f = function->function;
    const struct call_site *call_sites;
    struct variable_location base;
    size_t count = 0;
    error_free(function_call_sites(function->module->module, f, &call_sites, &count));
    if (count || f->optimized ||
        (f->language != LANGUAGE_CODE_RUST &&
         function_frame_base(function->module->module, f, f->entry, &base) && base.size &&
         base.expression[0] == OP_REG0 + FRAME_RSP))
        return true;
    for (size_t i = 0; i < function->variables.count; i++) {
        const struct variable *variable = &function->variables.variables[i];
        const struct variable_location *first = variable->locations;
        if (variable->location_count > 1 ||
            (variable->location_count && (first->low || first->high != UINT64_MAX)))
            return true;
    }
    return false;
}

/* The first address of a table; false when the file does not hold it. */
static bool first_entry(const struct traced_function *function, uint64_t table, uint64_t *ret) {
    const struct elf_image *image = module_image(function->module->module);
    uint64_t offset;
    const uint8_t *bytes =
        elf_vaddr_to_offset(image, table, &offset) ? elf_bytes(image, offset, sizeof(*ret)) : NULL;
    if (bytes)
        memcpy(ret, bytes, sizeof(*ret));
    return bytes != NULL;
}

/* A switch, and no tail call? There, the stack is as the function found it, so the CFA is rsp + 8; (clang of
 * old did not say so behind the epilogue). Where a function has no frame, a table of its own labels tells. */
static bool is_switch(const struct traced_function *function, const struct code_transfer *transfer) {
    const struct function *f = function->function;
    struct cfi_row row;
    uint64_t label;
    if (transfer->table && first_entry(function, transfer->table, &label) && label != f->entry &&
        ranges_contain(f->ranges, f->range_count, label))
        return true;
    struct error *err = unwind_row(function->module->unwind, transfer->vaddr, &row);
    bool has_frame = !err && !transfer->after_pop && row.cfa.kind == CFI_VAL_OFFSET &&
                     (row.cfa.reg == FRAME_RBP || (row.cfa.reg == FRAME_RSP && row.cfa.offset > 8));
    error_free(err);
    return has_frame;
}

static struct error *add_transfers(const struct traced_function *function, struct mentions *ret) {
    const struct function *f = function->function;
    for (size_t i = 0; i < function->code.count; i++) {
        const struct code_transfer *transfer = &function->code.transfers[i];
        bool inside =
            ranges_contain(f->ranges, f->range_count, transfer->target) && transfer->target != f->entry;
        if (transfer->kind == CODE_RETURN)
            TRY(mention(ret, transfer->vaddr, SITE_EXIT, NULL));
        else if (transfer->kind == CODE_JUMP_INDIRECT ? !is_switch(function, transfer) : !inside)
            TRY(mention(ret, transfer->vaddr, SITE_JUMP, NULL));
    }
    return NULL;
}

/* The innermost inlined instance around the address, or -1. */
static int inlined_at(const struct traced_function *function, uint64_t vaddr) {
    const struct inlined *inlined = function->inlined;
    for (size_t i = function->inlined_count; i--;) /* inner ones come last */
        if (ranges_contain(inlined[i].ranges, inlined[i].range_count, vaddr))
            return (int)i;
    return -1;
}

const char *traced_inlined_name(const struct traced_function *function, int index) {
    return index >= 0 && (size_t)index < function->inlined_count ? function->inlined[index].name : NULL;
}

/* The statements behind the prologue: each address where the line table begins one. */
static struct error *add_statements(const struct traced_function *function, struct mentions *ret) {
    uint64_t body = function_body(function->module->module, function->function);
    const struct function *f = function->function;
    for (size_t i = 0; i < function->rows.count; i++) {
        const struct line_row *row = &function->rows.rows[i];
        bool prologue = row->address >= f->entry && row->address < body;
        if (!row->is_stmt || !row->line || prologue || row->address == f->entry ||
            !function_code_is_start(&function->code, row->address))
            continue;
        TRY(mention(ret, row->address, SITE_STATEMENT, row));
    }
    return NULL;
}

static struct error *add_branches(struct traced_function *function, struct mentions *ret) {
    const struct function *f = function->function;
    TRY(branches_find(&function->code, f->ranges, f->range_count, &function->rows, function->optimized,
                      &function->branches));
    for (size_t i = 0; i < function->branches.count; i++)
        TRY(mention(ret, function->branches.branches[i].vaddr, SITE_BRANCH, NULL));
    return NULL;
}

/* Where the instructions of a statement end: at the next row, whatever it is. */
static uint64_t statement_end(const struct traced_function *function, const struct site *site) {
    size_t low = 0, high = function->rows.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (function->rows.rows[middle].address <= site->vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    return low < function->rows.count ? function->rows.rows[low].address : UINT64_MAX;
}

static bool writes_to(const struct code_store *store, const struct plan_step *step) {
    return store->reg == step->reg && store->offset < step->offset + (int64_t)step->size &&
           store->offset + (int64_t)store->size > step->offset;
}

static bool stores_to(const struct function_code *code, const struct plan_step *step, uint64_t from,
                      uint64_t to) {
    for (size_t i = function_code_store_from(code, from); i < code->store_count && code->stores[i].vaddr < to;
         i++)
        if (writes_to(&code->stores[i], step))
            return true;
    return false;
}

bool traced_function_stores(const struct traced_function *function, const struct plan_step *step,
                            uint64_t vaddr) {
    return stores_to(&function->code, step, vaddr, UINT64_MAX);
}

/* Which variables the statement itself assigns: then a value is new also when it is the same as before. */
static struct error *find_stored(struct traced_function *function, struct site *site) {
    uint64_t end = statement_end(function, site);
    for (size_t i = 0; i < site->plan.count; i++) {
        const struct plan_step *step = &site->plan.steps[i];
        if (step->operation != PLAN_MEMORY || !stores_to(&function->code, step, site->vaddr, end))
            continue;
        uint32_t *grown = realloc(site->stored, (site->stored_count + 1) * sizeof(*grown));
        if (!grown)
            return &error_no_memory;
        site->stored = grown;
        grown[site->stored_count++] = step->item;
    }
    return NULL;
}

static struct error *make_plans(struct traced_function *function) {
    TRY(find_namesakes(function));
    function->rsp_most = farthest_rsp(function);
    for (size_t i = 0; i < function->site_count; i++) {
        struct site *site = &function->sites[i];
        if (site->kinds & (SITE_STATEMENT | SITE_EXIT))
            TRY(variables_plan(function, site->vaddr, visible, &site->plan));
        for (size_t k = 0; k < site->plan.count; k++) /* it may be about something else: no harm */
            function->asks_for_entry |= site->plan.steps[k].operation == PLAN_ASK;
        if (site->kinds & SITE_STATEMENT)
            TRY(find_stored(function, site));
    }
    return NULL;
}

/* Decoding begins at the beginnings of the ranges, so these must be right. */
static struct error *check_ranges(const struct traced_function *function) {
    const struct function *f = function->function;
    for (size_t i = 0; i < f->range_count; i++) {
        bool starts;
        TRY(traced_module_starts_at(function->module, f->ranges[i].low, &starts));
        if (!starts)
            return error_new(ERROR_BAD_DATA,
                             "code at 0x%llx: neither symbols nor unwinding tables know that it begins there",
                             (unsigned long long)f->ranges[i].low);
    }
    return NULL;
}

/* All that are wanted, in any order. */
static struct error *mention_all(struct traced_function *function, const struct trace_options *options,
                                 struct mentions *ret) {
    TRY(mention(ret, function->function->entry, SITE_ENTRY, NULL));
    TRY(add_transfers(function, ret));
    if (options->trace_variables || options->trace_control_flow)
        TRY(add_statements(function, ret));
    return options->trace_control_flow ? add_branches(function, ret) : NULL;
}

static struct error *find_sites(struct traced_function *function, const struct trace_options *options) {
    struct mentions mentions = {0};
    struct error *err = mention_all(function, options, &mentions);
    if (!err)
        err = make_sites(function, &mentions);
    free(mentions.mentions);
    TRY(err);
    for (size_t i = 0; i < function->site_count; i++) {
        struct site *site = &function->sites[i];
        site->branch = branches_at(&function->branches, site->vaddr);
        site->inlined = inlined_at(function, site->vaddr);
    }
    return options->trace_variables ? make_plans(function) : NULL;
}

static struct error *read_function(struct traced_function *function) {
    struct module *module = function->module->module;
    const struct function *f = function->function;
    TRY(check_ranges(function));
    TRY(function_code_read(module_image(module), f->ranges, f->range_count, &function->code));
    if (!function_code_is_start(&function->code, f->entry))
        return error_new(ERROR_BAD_DATA, "code at 0x%llx: no instruction begins there",
                         (unsigned long long)f->entry);
    TRY(function_lines(module, f, &function->rows));
    TRY(function_inlined(module, f, &function->inlined, &function->inlined_count));
    TRY(function_variables(module, f, &function->variables));
    TRY(load_types(function));
    function->optimized = is_optimized(function);
    /* clang before version 17 does not say which functions it has changed */
    function->is_private |= function->optimized && !f->optimized && !f->external;
    return NULL;
}

struct error *traced_function_create(struct traced_module *module, const struct function *function,
                                     const struct trace_options *options, struct traced_function **ret) {
    struct traced_function *traced = calloc(1, sizeof(*traced));
    if (!traced)
        return &error_no_memory;
    traced->module = module;
    traced->function = function;
    struct error *err = read_function(traced);
    if (!err)
        err = find_sites(traced, options);
    if (err) {
        traced_function_destroy(traced);
        return err;
    }
    *ret = traced;
    return NULL;
}
