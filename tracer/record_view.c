#include "tracer/record_view.h"

#include "tracer/agent/agent_abi.h"

#include <string.h>

#define XSTATE_VECTORS 160 /* offset of xmm0 in an area of fxsave; each has 16 bytes */

static uint64_t word_at(const struct record_view *view, size_t at) {
    uint64_t word;
    memcpy(&word, view->record + at, sizeof(word));
    return word;
}

/* What a piece covers, as process addresses; false when it is nothing. */
static bool range_of(const struct record_view *view, const struct layout_memory *piece, uint64_t *ret_start,
                     uint64_t *ret_size, const uint8_t **ret_bytes) {
    uint32_t length = piece->size;
    *ret_start = 0;
    *ret_bytes = view->record + piece->at;
    switch (piece->base) {
    case LAYOUT_ABSOLUTE:
        *ret_start = (uint64_t)piece->offset;
        break;
    case LAYOUT_REGISTER:
        *ret_start = word_at(view, view->layout->register_at[piece->reg]) + (uint64_t)piece->offset;
        break;
    case LAYOUT_TEXT:
        memcpy(&length, *ret_bytes, sizeof(length));
        *ret_bytes += AGENT_TEXT_HEAD;
        *ret_start = word_at(view, piece->pointer);
        length = length > piece->size ? 0 : length;
        break;
    }
    *ret_size = length;
    return length > 0;
}

/* Is this where a string was asked for, and could not be read, or ended here? */
static bool is_known_end(const struct record_view *view, uint64_t address) {
    for (size_t i = 0; i < view->layout->memory_count; i++) {
        const struct layout_memory *piece = &view->layout->memory[i];
        uint64_t start, size;
        const uint8_t *bytes;
        if (piece->base != LAYOUT_TEXT)
            continue;
        bool any = range_of(view, piece, &start, &size, &bytes);
        if (address == start + (any ? size : 0))
            return true;
    }
    return false;
}

static size_t read_record(void *context, uint64_t address, void *ret, size_t size) {
    struct record_view *view = context;
    size_t done = 0;
    for (bool found = true; found && done < size;) {
        found = false;
        for (size_t i = 0; i < view->layout->memory_count && done < size; i++) {
            uint64_t start, length, from = address + done;
            const uint8_t *bytes;
            if (!range_of(view, &view->layout->memory[i], &start, &length, &bytes) || from < start ||
                from - start >= length)
                continue;
            size_t part = length - (from - start) < size - done ? length - (from - start) : size - done;
            memcpy((uint8_t *)ret + done, bytes + (from - start), part);
            done += part;
            found = true;
        }
    }
    if (done < size && !is_known_end(view, address + done))
        view->missed++;
    return done;
}

void record_view_init(struct record_view *view, const struct record_layout *layout, const uint8_t *record) {
    view->layout = layout;
    view->record = record;
    view->registers = (struct frame_registers){.log = &view->log};
    view->memory = (struct memory_reader){.read = read_record, .context = view};
    view->log = (struct frame_log){0};
    view->missed = 0;
    for (unsigned reg = 0; reg < 16; reg++)
        if (layout->registers >> reg & 1)
            frame_set_register(&view->registers, reg, word_at(view, layout->register_at[reg]));
    if (layout->registers >> LAYOUT_FIRST_VECTOR == 0)
        return;
    memset(view->xstate, 0, sizeof(view->xstate));
    for (unsigned reg = LAYOUT_FIRST_VECTOR; reg < LAYOUT_REGISTERS; reg++)
        if (layout->registers >> reg & 1)
            memcpy(view->xstate + XSTATE_VECTORS + (size_t)16 * (reg - LAYOUT_FIRST_VECTOR),
                   record + layout->register_at[reg], 16);
    view->registers.xstate = view->xstate;
    view->registers.xstate_size = sizeof(view->xstate);
}

bool record_view_is_incomplete(const struct record_view *view) {
    return view->missed || (view->log.asked & ~(view->layout->registers | UINT64_C(1) << FRAME_RIP)) ||
           view->log.too_large;
}

uint64_t record_view_time(const struct record_view *view) {
    return view->layout->time ? word_at(view, AGENT_RECORD_TIME) : 0;
}
