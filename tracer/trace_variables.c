/* trace_variables: locals and parameters as they change, places (--at), and names for conditions.
 *
 * At each statement the variables in scope are compared with what they were. A difference is an event with
 * the line of the statement that ran in between. What a variable holds when it is seen first is whatever its
 * stack slot or register held: it only sets the base, unless the statement before has assigned it. */
#include "tracer/calltrace_state.h"

#include "dwarf/line.h"
#include "tracer/prologue.h"

#include <stdlib.h>
#include <string.h>

/* ---- bytes of variables ---- */

struct locate_request trace_locate_request(struct hit_context *context, struct traced_module *module,
                                           const struct variable *variable, uint64_t vaddr) {
    const struct frame *frame = context->stack ? trace_current_frame(context) : NULL;
    return (struct locate_request){
        .entry = frame ? frame->entry : context->entry,
        .module = module,
        .variable = variable,
        .vaddr = vaddr,
        .bias = context->bias,
        .registers = &context->registers,
        .memory = &context->memory,
        .modules = &context->thread->process->modules,
        .program_entry = context->thread->process->entry,
        .thread_pointer = context->fs_base,
    };
}

static void locate_request_init(struct locate_request *request, struct hit_context *context,
                                const struct traced_function *function, size_t index, uint64_t vaddr) {
    *request = trace_locate_request(context, function->module, &function->variables.variables[index], vaddr);
    request->function = function->function;
}

enum plan_state trace_variable_bytes(struct hit_context *context, const struct traced_function *function,
                                     size_t index, uint64_t vaddr, void *ret, size_t size) {
    struct locate_request request;
    if (traced_variable_is_counted(function, index))
        return trace_counted_bytes(context, function, index, vaddr, ret);
    locate_request_init(&request, context, function, index, vaddr);
    return locate_bytes(&request, ret, size);
}

struct ask {
    struct hit_context *context;
    const struct traced_function *function;
    uint64_t vaddr;
};

static enum plan_state ask(void *context, uint32_t item, void *ret, size_t size) {
    const struct ask *ask = context;
    return trace_variable_bytes(ask->context, ask->function, item, ask->vaddr, ret, size);
}

/* Where the prologue of unoptimised code puts it, when the convention does not say where it comes from. */
static bool argument_behind_prologue(struct hit_context *context, const struct traced_function *function,
                                     size_t index, void *ret, size_t size) {
    const struct function *f = function->function;
    struct module *module = function->module->module;
    struct prologue prologue;
    uint64_t body = function_body(module, f);
    struct locate_request request;
    if (function->optimized || traced_variable_is_counted(function, index) ||
        !prologue_init(&prologue, module_image(module), f->entry, body, context->bias, &context->registers,
                       context->fs_base, &context->memory))
        return false;
    locate_request_init(&request, context, function, index, body);
    request.registers = &prologue.registers;
    request.memory = &prologue.memory;
    return locate_bytes(&request, ret, size) == NOTE_OK;
}

bool trace_argument_is_plain(const struct traced_function *function, size_t index) {
    return !traced_variable_is_counted(function, index) && value_is_plain(function->variable_types[index]) &&
           !trace_wants_caller(&function->variables.variables[index], function->function->entry);
}

/* At the first instruction: where a location list says so, else where the caller put it. */
bool trace_argument_bytes(struct hit_context *context, const struct traced_function *function, size_t index,
                          void *ret, size_t size, enum plan_state *ret_state) {
    const struct variable *variable = &function->variables.variables[index];
    const struct variable_location *location = variable_location_at(variable, function->function->entry);
    bool list = variable->location_count > 1 || (location && (location->low || location->high != UINT64_MAX));
    size_t position = 0;
    while (position < function->argument_count && function->arguments[position] != index)
        position++;
    if (!list && location && function->is_private) {
        *ret_state = NOTE_OPTIMIZED_OUT;
        return false;
    }
    if (!list && location && function->has_abi && position < function->abi.argument_count) {
        const struct abi_place *place = &function->abi.arguments[position];
        *ret_state = NOTE_UNREADABLE;
        if (traced_variable_is_counted(function, index))
            return trace_counted_argument(context, function, index, place, ret);
        if (place->known)
            return place->size <= size && abi_fetch(place, &context->registers, &context->memory, ret, size);
    }
    if (!list && location) { /* that location holds after the prologue only */
        *ret_state = NOTE_UNREADABLE;
        return argument_behind_prologue(context, function, index, ret, size);
    }
    *ret_state = trace_variable_bytes(context, function, index, function->function->entry, ret, size);
    return *ret_state == NOTE_OK;
}

/* ---- shadows ---- */

static struct error *make_shadows(struct frame *frame) {
    size_t count = frame->function->variables.count;
    frame->shadows = calloc(count + 1, sizeof(*frame->shadows));
    if (!frame->shadows)
        return &error_no_memory;
    frame->shadows[count].size = SIZE_MAX; /* the end: frames.c */
    return NULL;
}

static bool set_shadow(struct shadow *shadow, const uint8_t *bytes, size_t size) {
    uint8_t *grown = shadow->size == size && shadow->bytes ? shadow->bytes : realloc(shadow->bytes, size + 1);
    if (!grown)
        return false;
    memcpy(grown, bytes, size);
    *shadow = (struct shadow){.seen = true, .told = shadow->told, .bytes = grown, .size = size};
    return true;
}

struct error *trace_variables_begin(struct hit_context *context, struct frame *frame) {
    const struct traced_function *function = frame->function;
    if (!context->calltrace->options->trace_variables)
        return NULL;
    TRY(make_shadows(frame));
    for (size_t k = 0; k < function->argument_count; k++) {
        size_t i = function->arguments[k];
        uint32_t size = traced_look_size(function, i);
        enum plan_state state;
        if (!size)
            continue;
        uint8_t *bytes = malloc(size);
        if (bytes && trace_argument_bytes(context, function, i, bytes, size, &state) &&
            set_shadow(&frame->shadows[i], bytes, size))
            frame->shadows[i].told = true;
        free(bytes);
    }
    return NULL;
}

static struct error *assignment(struct hit_context *context, const struct frame *frame, size_t index,
                                const uint8_t *bytes, size_t size) {
    const struct traced_function *function = frame->function;
    const struct variable *variable = &function->variables.variables[index];
    const struct type *type = function->variable_types[index];
    struct trace_event *event = calltrace_event(context->calltrace, context->thread,
                                                TRACE_VARIABLE_ASSIGNMENT, context->now, frame->depth + 1);
    trace_data_string(&event->data, "variable", variable->name);
    trace_data_key(&event->data, "value");
    trace_render(context, function, index, bytes, size, &event->data);
    trace_data_string(&event->data, "type", type->name);
    trace_data_unsigned(&event->data, "line",
                        frame->statement ? frame->statement->line : function->function->line);
    calltrace_put_inlined(event, function, variable->inlined,
                          frame->statement ? frame->statement->file : function->function->file);
    return calltrace_write(context->calltrace, context->thread->process);
}

/* Is the line of the statement before through? It may have several rows in the line table, and code of
 * inlined functions between them. */
static bool is_through(const struct site *site, const struct frame *frame) {
    const struct site *statement = frame->statement;
    if (!statement || !(site->kinds & SITE_STATEMENT))
        return true;
    return site->line != statement->line && (site->inlined < 0 || site->inlined == statement->inlined);
}

/* Structs and arrays are written part by part. */
static bool has_parts(const struct frame *frame, uint32_t index) {
    return traced_variable_has_parts(frame->function, index);
}

static const struct plan_step *step_of(const struct site *site, uint32_t item) {
    for (size_t i = 0; i < site->plan.count; i++)
        if (site->plan.steps[i].operation != PLAN_END && site->plan.steps[i].item == item)
            return &site->plan.steps[i];
    return NULL;
}

/* Optimised code writes a struct or array that it declares between the instructions of the lines around it:
 * it is whole on a later line, with no instruction ahead that writes to it. */
static bool is_whole(const struct site *site, const struct frame *frame, uint32_t index) {
    const struct traced_function *function = frame->function;
    const struct variable *variable = &function->variables.variables[index];
    const struct plan_step *step = step_of(site, index);
    if (!function->optimized || !has_parts(frame, index))
        return true;
    if ((site->kinds & SITE_STATEMENT) && (site->inlined >= 0 || site->line <= variable->line))
        return false;
    return !step || step->operation != PLAN_MEMORY || !traced_function_stores(function, step, site->vaddr);
}

/* Has the statement that ran before this look given the variable its value? Its own instructions write to it,
 * or it is the declaration of what is written elsewhere: by a constructor, by a function that returns it. */
static bool was_assigned(const struct site *site, const struct frame *frame, uint32_t index) {
    const struct site *statement = frame->statement;
    const struct variable *variable = &frame->function->variables.variables[index];
    if (!statement)
        return false;
    for (size_t i = 0; i < statement->stored_count; i++)
        if (statement->stored[i] == index)
            return true;
    return has_parts(frame, index) && is_through(site, frame) && variable->line == statement->line;
}

/* An array of variable length comes into being when its declaration is executed, each time anew and with
 * whatever is on the stack. Before that even its size means nothing. */
static bool is_made_now(const struct frame *frame, uint32_t index) {
    const struct variable *variable = &frame->function->variables.variables[index];
    return frame->statement && frame->statement->line == variable->line && !variable->parameter;
}

static struct error *compare(struct hit_context *context, struct frame *frame, const struct plan_note *note) {
    struct shadow *shadow = &frame->shadows[note->item];
    const uint8_t *bytes = context->calltrace->notes.bytes + note->offset;
    if (note->state == NOTE_NOT_ALLOCATED) { /* these bytes are what it will begin with */
        bool good = shadow->seen || set_shadow(shadow, bytes, note->size);
        return good ? NULL : &error_no_memory;
    }
    if (note->state != NOTE_OK) {
        shadow->missing = true;
        return NULL;
    }
    if (traced_variable_is_counted(frame->function, note->item) && is_made_now(frame, note->item))
        return set_shadow(shadow, bytes, note->size) ? NULL : &error_no_memory;
    if (!shadow->seen && traced_variable_is_counted(frame->function, note->item))
        return NULL; /* not there yet */
    if (shadow->seen && has_parts(frame, note->item) && !is_through(context->site, frame))
        return NULL;
    bool same = shadow->seen && shadow->size == note->size && memcmp(shadow->bytes, bytes, note->size) == 0;
    /* A variable that had no place until now has got one because it has got a value; though a place in memory
     * may be told of before it is written. */
    const struct plan_step *step = step_of(context->site, note->item);
    bool assigned = !shadow->told && was_assigned(context->site, frame, note->item);
    bool appeared = !shadow->seen && shadow->missing && step && step->operation != PLAN_MEMORY;
    if (shadow->seen && !shadow->told && !is_whole(context->site, frame, note->item))
        return NULL;
    bool tell = appeared || (shadow->seen && !same) || assigned;
    if (!same && !set_shadow(shadow, bytes, note->size))
        return &error_no_memory;
    shadow->missing = false;
    if (!tell)
        return NULL;
    shadow->told = true;
    return assignment(context, frame, note->item, shadow->bytes, shadow->size);
}

struct error *trace_variables(struct hit_context *context, struct frame *frame) {
    struct plan_notes *notes = &context->calltrace->notes;
    if (!context->site->plan.count)
        return NULL;
    if (!frame->shadows) /* a frame that came with a fork or an attach */
        TRY(make_shadows(frame));
    struct ask asked = {.context = context, .function = frame->function, .vaddr = context->site->vaddr};
    const struct plan_target target = {.registers = &context->registers,
                                       .memory = &context->memory,
                                       .bias = context->bias,
                                       .ask = ask,
                                       .context = &asked};
    TRY(plan_run(&context->site->plan, &target, notes));
    for (size_t i = 0; i < notes->count; i++)
        TRY(compare(context, frame, &notes->notes[i]));
    return NULL;
}

/* ---- names in expressions ---- */

static bool find_local(const struct name_scope *scope, const char *name, size_t *ret) {
    const struct traced_function *function = scope->function;
    bool found = false;
    for (size_t i = 0; function && i < function->variables.count; i++) {
        const struct variable *variable = &function->variables.variables[i];
        if (strcmp(variable->name, name) != 0 || !function->variable_types[i])
            continue;
        if (scope->at_entry ? !variable->parameter || variable->inlined >= 0
                            : !variable_in_scope(variable, scope->vaddr))
            continue;
        if (!found || variable->depth > function->variables.variables[*ret].depth)
            *ret = i;
        found = true;
    }
    return found;
}

static enum operand_state operand_state(enum plan_state state) {
    return state == NOTE_OK              ? OPERAND_OK
           : state == NOTE_OPTIMIZED_OUT ? OPERAND_OPTIMIZED_OUT
           : state == NOTE_NOT_ALLOCATED ? OPERAND_NOT_ALLOCATED
                                         : OPERAND_UNREADABLE;
}

/* Where a local is in memory, or its bytes. */
static enum operand_state resolve_local(const struct name_scope *scope, size_t index,
                                        struct expression_operand *ret) {
    const struct traced_function *function = scope->function;
    struct hit_context *context = scope->context;
    const struct variable *variable = &function->variables.variables[index];
    bool at_entry = scope->at_entry || (scope->vaddr == function->function->entry && variable->parameter &&
                                        variable->inlined < 0);
    bool counted = traced_variable_is_counted(function, index);
    size_t size = traced_look_size(function, index);
    enum plan_state state = NOTE_UNREADABLE;
    struct locate_request request;
    ret->type = function->variable_types[index];
    if (!at_entry && !traced_variable_holds(function, index, scope->vaddr))
        return OPERAND_OPTIMIZED_OUT;
    locate_request_init(&request, context, function, index, scope->vaddr);
    ret->in_memory = !at_entry && locate_address(&request, &ret->address) == NOTE_OK;
    if (ret->in_memory && !counted)
        return OPERAND_OK;
    uint8_t *bytes = malloc(size + 16u);
    const uint8_t *value = bytes;
    if (!bytes)
        return OPERAND_UNREADABLE;
    if (!at_entry)
        state = trace_variable_bytes(context, function, index, scope->vaddr, bytes, size);
    else if (trace_argument_bytes(context, function, index, bytes, size, &state))
        state = NOTE_OK;
    if (state == NOTE_OK && counted &&
        !(ret->type = trace_counted_type(context, function, index, bytes, &value, &size)))
        state = NOTE_UNREADABLE;
    if (state == NOTE_OK && !ret->in_memory)
        buffer_put(ret->bytes, value, size);
    free(bytes);
    return operand_state(state);
}

static enum operand_state resolve_global(const struct name_scope *scope, const char *name,
                                         struct expression_operand *ret) {
    struct traced_module *module = scope->context->site->module;
    const struct variable *variable;
    struct error *err = module_global(module->module, name, &variable);
    if (!err)
        err = traced_module_type(module, &variable->type, &ret->type);
    if (err) {
        error_free(err);
        return OPERAND_NOT_FOUND;
    }
    struct locate_request request = trace_locate_request(scope->context, module, variable, scope->vaddr);
    ret->in_memory = true;
    return operand_state(locate_address(&request, &ret->address));
}

static enum operand_state resolve(void *context, const char *name, struct expression_operand *ret) {
    const struct name_scope *scope = context;
    size_t index = 0;
    if (strncmp(name, "::", 2) != 0 && find_local(scope, name, &index))
        return resolve_local(scope, index, ret);
    return resolve_global(scope, strncmp(name, "::", 2) == 0 ? name + 2 : name, ret);
}

void name_scope_init(struct name_scope *scope, struct hit_context *context,
                     const struct traced_function *function, uint64_t vaddr, bool at_entry) {
    *scope =
        (struct name_scope){.context = context, .function = function, .vaddr = vaddr, .at_entry = at_entry};
    scope->scope =
        (struct expression_scope){.resolve = resolve, .context = scope, .memory = &context->memory};
}

/* ---- --at ---- */

static struct error *place_event(struct hit_context *context, const struct probe_text *text,
                                 const struct expression *expression, struct name_scope *scope) {
    struct calltrace *calltrace = context->calltrace;
    struct buffer type = {0};
    struct trace_event *event = calltrace_event(calltrace, context->thread, TRACE_VARIABLE_ASSIGNMENT,
                                                context->now, thread_depth(context->thread));
    trace_data_string(&event->data, "variable", expression_text(expression));
    trace_data_key(&event->data, "value");
    bool known = expression_render(expression, &scope->scope, &calltrace->values, &event->data, &type, NULL);
    if (known && type.size)
        trace_data_string(&event->data, "type", (const char *)type.data);
    trace_data_unsigned(&event->data, "line", text->line);
    trace_data_string(&event->data, "file", text->file);
    trace_data_bool(&event->data, "probe", true);
    buffer_deinit(&type);
    return calltrace_write(calltrace, context->thread->process);
}

struct error *trace_places(struct hit_context *context) {
    for (struct place_probe *place = context->site->places; place; place = place->next) {
        struct name_scope scope;
        name_scope_init(&scope, context, context->site->function, context->site->vaddr, false);
        for (size_t i = 0; i < place->text->count; i++)
            TRY(place_event(context, place->text, place->text->expressions[i], &scope));
    }
    return NULL;
}
