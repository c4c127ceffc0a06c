// Exceptions through many frames, streams, containers, regular expressions.
#include <iostream>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct Guard {
    int value;
    ~Guard() {
        value = 0;
    }
};

static int deep(int n) {
    Guard guard{n};
    if (n == 0)
        throw std::runtime_error("deep");
    return deep(n - 1) + guard.value;
}

int main() {
    std::map<std::string, int> words;
    for (int i = 0; i < 5000; i++) {
        std::ostringstream text;
        text << i % 977 << ":" << i * 1.5;
        words[text.str()] += i;
    }
    size_t caught = 0;
    for (int i = 0; i < 2000; i++) {
        try {
            caught += (size_t)deep(i % 20);
        } catch (const std::exception &error) {
            caught += std::string(error.what()).size();
        }
        try {
            std::vector<int>(3).at(9);
        } catch (std::out_of_range &) {
            caught++;
        }
    }
    std::regex pattern("([0-9]+):([0-9]+)");
    int sum = 0;
    for (auto &word : words) {
        std::smatch found;
        if (std::regex_search(word.first, found, pattern))
            sum += std::stoi(found[1]);
    }
    std::cout << words.size() << " " << caught << " " << sum << std::endl;
}
