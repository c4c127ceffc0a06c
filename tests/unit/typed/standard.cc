// Values of C++: classes, references, the standard library. What they look like is worked out by the program from its
// own variables.
#include <array>
#include <atomic>
#include <chrono>
#include <complex>
#include <cstdio>
#include <cstring>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <sstream>
#include <stack>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

namespace shop {
struct Base {
    int base = 1;
    static int shared;
    virtual ~Base() {}
};
int Base::shared = 5;
struct Cart : Base {
    int items = 2;
    double total = 9.5;
    int &first = items;
};
struct Left : virtual Base {
    int left = 3;
};
struct Right : virtual Base {
    int right = 4;
};
struct Diamond : Left, Right {
    int bottom = 5;
};
template <typename T> struct Box {
    T content;
};
enum class Level : unsigned char { Low, High = 200 };
namespace {
struct Hidden {
    int hidden = 6;
};
} // namespace
inline namespace v2 {
struct Inner {
    struct Deep {
        int deep = 7;
    } inside;
};
} // namespace v2
} // namespace shop

extern "C" {
bool v_bool = true;
char8_t v_char8 = u8'8';
wchar_t v_wchar = L'w';
char16_t v_char16 = u'1';
char32_t v_char32 = U'\x1f600';
std::nullptr_t v_nullptr = nullptr;
shop::Level v_level = shop::Level::High;
shop::Cart v_cart;
shop::Cart &v_cart_reference = v_cart;
int v_plain = 11;
int &v_reference = v_plain;
int &&v_rvalue = std::move(v_plain);
shop::Diamond v_diamond;
shop::Box<int> v_box{12};
shop::Box<std::string> v_box_string{"boxed"};
shop::Hidden v_hidden;
shop::Inner::Deep v_deep;
int shop::Cart::*v_member = &shop::Cart::items;
int shop::Cart::*v_member_null = nullptr;
std::string v_string = "short", v_long_string = "a string that does not fit into the object itself";
std::string v_zeros{"a\0b", 3};
std::wstring v_wstring = L"wide";
std::u16string v_u16string = u"u16 \x00e9";
std::string_view v_view{v_string.data() + 1, 3};
std::vector<int> v_vector{1, 2, 3}, v_vector_empty;
std::vector<std::string> v_vector_strings{"one", "two"};
std::vector<bool> v_vector_bool{true, false, true};
std::vector<shop::Box<int>> v_vector_boxes{{1}, {2}};
std::array<int, 3> v_array{4, 5, 6};
std::deque<int> v_deque;
std::list<int> v_list{7, 8, 9}, v_list_empty;
std::forward_list<long double> v_forward{1.5L, 2.5L};
std::map<int, std::string> v_map{{1, "one"}, {2, "two"}, {3, "three"}};
std::map<std::string, int> v_map_names{{"b", 2}, {"a", 1}};
std::map<short, short> v_map_short{{1, 2}};
std::map<int, int> v_map_empty;
std::multimap<int, int> v_multimap{{1, 2}, {1, 3}};
std::set<int> v_set{3, 1, 2};
std::set<std::string> v_set_strings{"y", "x"};
std::multiset<char> v_multiset{'b', 'a', 'b'};
std::unordered_map<int, std::string> v_unordered{{10, "ten"}};
std::unordered_map<std::string, int> v_unordered_names{{"ten", 10}};
std::unordered_set<long> v_unordered_set{42};
std::stack<int> v_stack;
std::queue<int> v_queue;
std::priority_queue<int> v_heap;
std::pair<int, std::string> v_pair{1, "pair"};
std::tuple<int, std::string, double> v_tuple{1, "tuple", 2.5};
std::optional<int> v_optional{5}, v_optional_empty;
std::optional<std::string> v_optional_string{"some"};
std::variant<int, std::string> v_variant{"variant"}, v_variant_int{3};
std::unique_ptr<int> v_unique = std::make_unique<int>(6), v_unique_empty;
std::unique_ptr<shop::Box<int>> v_unique_box = std::make_unique<shop::Box<int>>();
std::shared_ptr<int> v_shared = std::make_shared<int>(7), v_shared_empty;
std::weak_ptr<int> v_weak = v_shared;
std::atomic<int> v_atomic{8};
std::atomic<bool> v_atomic_bool{true};
std::chrono::milliseconds v_duration{90};
std::complex<double> v_complex{1.0, 2.0};
std::reference_wrapper<int> v_wrapper{v_plain};
std::map<int, std::vector<int>> v_map_vectors{{1, {1, 2}}, {2, {}}};
}

// ---- what it looks like, by the program's own means ----

static std::string json(const std::string &text) {
    std::string out = "\"";
    for (char c : text)
        out += c == '\0' ? std::string("\\u0000") : std::string(1, c);
    return out + "\"";
}
static std::string json(bool value) { return value ? "true" : "false"; }
static std::string json(char value) { return std::string("\"") + value + "\""; }
static std::string json(int value) { return std::to_string(value); }
static std::string json(long value) { return std::to_string(value); }
static std::string json(short value) { return std::to_string(value); }
static std::string json(double value) {
    char text[32];
    snprintf(text, sizeof(text), "%.1f", value);
    return text;
}
static std::string json(long double value) { return json(double(value)); }
static std::string json(const shop::Box<int> &box) { return "{\"content\": " + json(box.content) + "}"; }
template <typename C> static std::string sequence(const C &container) {
    std::string out = "[";
    for (const auto &each : container)
        out += (out.size() > 1 ? ", " : "") + json(each);
    return out + "]";
}
static std::string json(const std::vector<int> &vector) { return sequence(vector); }
static std::string key(const std::string &text) { return json(text); }
template <typename T> static std::string key(const T &value) { return "\"" + json(value) + "\""; }
template <typename C> static std::string mapping(const C &container) {
    std::string out = "{";
    for (const auto &each : container)
        out += (out.size() > 1 ? ", " : "") + key(each.first) + ": " + json(each.second);
    return out + "}";
}
static std::string address(const void *pointer) {
    char text[32];
    snprintf(text, sizeof(text), "\"%p\"", pointer);
    return text;
}
static std::string base(const shop::Base &value) { return "{\"base\": " + json(value.base) + "}"; }
static std::string cart(const shop::Cart &value) {
    return "{\"shop::Base\": " + base(value) + ", \"items\": " + json(value.items) + ", \"total\": " + json(value.total) +
           ", \"first\": " + json(value.first) + "}";
}
// Virtual bases come where the compilers put them: first.
static std::string diamond(const shop::Diamond &value) {
    return "{\"shop::Left\": {\"shop::Base\": " + base(value) + ", \"left\": " + json(value.left) +
           "}, \"shop::Right\": {\"shop::Base\": " + base(value) + ", \"right\": " + json(value.right) +
           "}, \"bottom\": " + json(value.bottom) + "}";
}

typedef void (*say_function)(const char *variable, const char *json);
extern "C" void expect(say_function say_text) {
    auto say = [&](const char *name, const std::string &text) { say_text(name, text.c_str()); };
    for (int i = 0; i < 30; i++) {
        v_deque.push_back(i);
        if (i % 3)
            v_deque.push_front(-i);
        if (i % 7 == 0)
            v_deque.pop_back();
    }
    v_stack.push(1);
    v_stack.push(2);
    v_queue.push(3);
    v_heap.push(4);
    v_unique_box->content = 13;
    say("v_bool", json(v_bool));
    say("v_char8", "\"8\"");
    say("v_wchar", "\"w\"");
    say("v_char16", "\"1\"");
    say("v_char32", "\"\xf0\x9f\x98\x80\"");
    say("v_nullptr", "null");
    say("v_level", "\"High\"");
    say("v_cart", cart(v_cart));
    say("v_cart_reference", cart(v_cart_reference));
    say("v_reference", json(v_reference));
    say("v_rvalue", json(v_rvalue));
    say("v_diamond", diamond(v_diamond));
    say("v_box", json(v_box));
    say("v_box_string", "{\"content\": " + json(v_box_string.content) + "}");
    say("v_hidden", "{\"hidden\": " + json(v_hidden.hidden) + "}");
    say("v_deep", "{\"deep\": " + json(v_deep.deep) + "}");
    size_t offset;
    memcpy(&offset, &v_member, sizeof(offset));
    say("v_member", json(long(offset)));
    say("v_member_null", "null");
    say("v_string", json(v_string));
    say("v_long_string", json(v_long_string));
    say("v_zeros", json(v_zeros));
    say("v_wstring", "\"wide\"");
    say("v_u16string", "\"u16 \xc3\xa9\"");
    say("v_view", json(std::string(v_view)));
    say("v_vector", sequence(v_vector));
    say("v_vector_empty", sequence(v_vector_empty));
    say("v_vector_strings", sequence(v_vector_strings));
    say("v_vector_bool", sequence(v_vector_bool));
    say("v_vector_boxes", sequence(v_vector_boxes));
    say("v_array", sequence(v_array));
    say("v_deque", sequence(v_deque));
    say("v_list", sequence(v_list));
    say("v_list_empty", sequence(v_list_empty));
    say("v_forward", sequence(v_forward));
    say("v_map", mapping(v_map));
    say("v_map_names", mapping(v_map_names));
    say("v_map_short", mapping(v_map_short));
    say("v_map_empty", mapping(v_map_empty));
    say("v_multimap", "[[1, 2], [1, 3]]");
    say("v_set", sequence(v_set));
    say("v_set_strings", sequence(v_set_strings));
    say("v_multiset", sequence(v_multiset));
    say("v_unordered", mapping(v_unordered));
    say("v_unordered_names", mapping(v_unordered_names));
    say("v_unordered_set", sequence(v_unordered_set));
    say("v_stack", "[1, " + json(v_stack.top()) + "]");
    say("v_queue", "[" + json(v_queue.front()) + "]");
    say("v_heap", "[" + json(v_heap.top()) + "]");
    say("v_pair", "{\"first\": " + json(v_pair.first) + ", \"second\": " + json(v_pair.second) + "}");
    say("v_tuple", "[" + json(std::get<0>(v_tuple)) + ", " + json(std::get<1>(v_tuple)) + ", " +
                       json(std::get<2>(v_tuple)) + "]");
    say("v_optional", json(*v_optional));
    say("v_optional_empty", "null");
    say("v_optional_string", json(*v_optional_string));
    say("v_variant", json(std::get<1>(v_variant)));
    say("v_variant_int", json(std::get<0>(v_variant_int)));
    say("v_unique", json(*v_unique));
    say("v_unique_empty", "null");
    say("v_unique_box", json(*v_unique_box));
    say("v_shared", json(*v_shared));
    say("v_shared_empty", "null");
    say("v_weak", address(v_weak.lock().get()));
    say("v_atomic", json(v_atomic.load()));
    say("v_atomic_bool", json(v_atomic_bool.load()));
    say("v_duration", json(long(v_duration.count())));
    say("v_complex", "{\"real\": " + json(v_complex.real()) + ", \"imag\": " + json(v_complex.imag()) + "}");
    say("v_wrapper", json(v_wrapper.get()));
    say("v_map_vectors", mapping(v_map_vectors));
}
