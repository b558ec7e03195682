// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/top/table.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "clients/inferctl/text.h"

namespace inferd::ctl {
namespace {

int characters(std::string_view text) {
  return static_cast<int>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

// Where the character behind the one at `begin` begins.
size_t next(std::string_view text, size_t begin) {
  do {
    ++begin;
  } while (begin < text.size() && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80);
  return begin;
}

std::string lower(std::string_view text) {
  std::string low(text);
  for (char& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return low;
}

bool has(const Row& row, const std::string& low) {
  return std::any_of(row.cells.begin(), row.cells.end(), [&](const TableCell& cell) {
    return lower(cell.text).find(low) != std::string::npos;
  });
}

// Rows with those that belong to them.
std::vector<std::vector<Row>> groups(std::vector<Row> rows) {
  std::vector<std::vector<Row>> groups;
  for (Row& row : rows) {
    if (row.is_sorted || groups.empty()) groups.emplace_back();
    groups.back().push_back(std::move(row));
  }
  return groups;
}

std::vector<Row> flat(std::vector<std::vector<Row>> groups) {
  std::vector<Row> rows;
  for (auto& group : groups) std::move(group.begin(), group.end(), std::back_inserter(rows));
  return rows;
}

}  // namespace

TableCell text_cell(std::string_view text, Mark mark) { return {printable(text), 0, mark}; }

TableCell number_cell(double number, int decimals, Mark mark) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, number);
  return {text, number, mark};
}

TableCell no_cell() { return {"-", -std::numeric_limits<double>::infinity()}; }

void sort_rows(Table& table, size_t column, bool reversed) {
  const bool by_number = table.columns[column].is_number;
  auto sorted = groups(std::move(table.rows));
  const auto before = [&](const std::vector<Row>& a, const std::vector<Row>& b) {
    const TableCell& left = a[0].cells[column];
    const TableCell& right = b[0].cells[column];
    return by_number ? left.number > right.number : left.text < right.text;
  };
  std::stable_sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
    return reversed ? before(b, a) : before(a, b);
  });
  table.rows = flat(std::move(sorted));
}

void filter_rows(Table& table, std::string_view text) {
  const std::string low = lower(text);
  auto kept = groups(std::move(table.rows));
  std::erase_if(kept, [&](const std::vector<Row>& group) {
    return std::none_of(group.begin(), group.end(), [&](const Row& row) { return has(row, low); });
  });
  table.rows = flat(std::move(kept));
}

std::vector<int> fit(const Table& table, int width) {
  std::vector<int> widths;
  int needed = -1;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    int widest = characters(table.columns[c].title);
    for (const Row& row : table.rows) widest = std::max(widest, characters(row.cells[c].text));
    const Column& column = table.columns[c];
    if (column.most > 0) widest = std::min(widest, column.most);
    widths.push_back(std::max(widest, column.least));
    needed += widths.back() + 1;
  }
  // From the widest text first, as far as it goes.
  for (size_t c = 0; c < widths.size() && needed > width; ++c) {
    if (table.columns[c].is_number) continue;
    const int given = std::min(needed - width, widths[c] - std::max(table.columns[c].least, 12));
    if (given <= 0) continue;
    widths[c] -= given;
    needed -= given;
  }
  for (size_t c = widths.size(); c-- > 1 && needed > width;) {
    needed -= widths[c] + 1;
    widths[c] = 0;
  }
  if (!widths.empty()) widths[0] = std::min(widths[0], std::max(width, 0));
  return widths;
}

std::string padded(std::string_view text, int width, bool on_the_right) {
  const int length = characters(text);
  std::string shown(text);
  if (length > width) {
    size_t end = 0;
    for (int left = width - 1; left > 0; --left) end = next(text, end);
    shown = width > 0 ? std::string(text.substr(0, end)) + "~" : "";
  }
  const std::string spaces(static_cast<size_t>(std::max(0, width - length)), ' ');
  return on_the_right ? spaces + shown : shown + spaces;
}

std::string to_text(const Table& table, int width) {
  const std::vector<int> widths =
      fit(table, width == 0 ? std::numeric_limits<int>::max() / 2 : width);
  std::string text;
  const auto add_line = [&](const auto& cell_text) {
    std::string line;
    for (size_t c = 0; c < widths.size(); ++c) {
      if (widths[c] == 0) continue;
      if (c > 0) line += ' ';
      line += padded(cell_text(c), widths[c], table.columns[c].is_number);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  add_line([&](size_t c) { return std::string_view(table.columns[c].title); });
  for (const Row& row : table.rows)
    add_line([&](size_t c) { return std::string_view(row.cells[c].text); });
  return text;
}

nlohmann::json to_json(const Table& table) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Row& row : table.rows) {
    nlohmann::json object = nlohmann::json::object();
    for (size_t c = 0; c < row.cells.size(); ++c) {
      const Column& column = table.columns[c];
      const TableCell& cell = row.cells[c];
      object[column.key] = !column.is_number            ? nlohmann::json(cell.text)
                           : std::isfinite(cell.number) ? nlohmann::json(cell.number)
                                                        : nlohmann::json();
    }
    rows.push_back(std::move(object));
  }
  return rows;
}

}  // namespace inferd::ctl
