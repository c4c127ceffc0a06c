/* iostreams and containers keyed by pointers: the order of addresses is the recorded one. */
/* expect: exit 0 */
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <unordered_map>
#include <vector>

int main() {
    std::random_device device;
    std::mt19937 generator(device());
    std::vector<std::unique_ptr<std::string>> owned;
    std::map<const std::string *, int> ordered;
    std::unordered_map<const void *, std::string> hashed;
    for (int i = 0; i < 300; i++) {
        owned.push_back(std::make_unique<std::string>(generator() % 100, 'a' + i % 26));
        ordered[owned.back().get()] = i;
        hashed[owned.back()->data()] = std::to_string(i);
        if (generator() % 3 == 0) {
            auto gone = owned.begin() + (long)(generator() % owned.size());
            ordered.erase(gone->get());
            hashed.erase((*gone)->data());
            owned.erase(gone);
        }
    }
    std::ostringstream text;
    for (const auto &[pointer, number] : ordered)
        text << pointer << '=' << number << ' ';
    std::cout << text.str() << '\n';
    for (const auto &[pointer, number] : hashed)
        std::cout << pointer << ':' << number << ' ';
    std::cout << '\n' << std::chrono::system_clock::now().time_since_epoch().count() << std::endl;
    std::cout << std::chrono::steady_clock::now().time_since_epoch().count() << '\n';
    std::string word;
    std::cin >> word;
    std::cerr << "word " << word << " eof " << std::cin.eof() << '\n';
    return 0;
}
