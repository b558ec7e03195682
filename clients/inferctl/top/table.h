// SPDX-License-Identifier: Apache-2.0
//
// A table as `inferctl top` shows it: on a screen, as text and as JSON. Knows neither daemon nor
// terminal.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace inferd::ctl {

// What a cell tells at a glance; colours are the screen's.
enum class Mark { kNone, kGood, kBad };

struct TableCell {
  std::string text;   // safe to print
  double number = 0;  // what is sorted by, where the column is one of numbers
  Mark mark = Mark::kNone;
};

struct Column {
  std::string title;        // "REQ/S"
  std::string key;          // "requests_per_s": of JSON, and of --sort
  bool is_number = false;   // on the right, and the largest first
  int least = 4, most = 0;  // characters; most 0: as many as there are
};

struct Row {
  std::string key;  // the same from sample to sample
  std::vector<TableCell> cells;
  bool is_sorted = true;  // false: it belongs to the row above and stays there
};

struct Table {
  std::vector<Column> columns;
  std::vector<Row> rows;
};

TableCell text_cell(std::string_view text, Mark mark = Mark::kNone);
TableCell number_cell(double number, int decimals = 0, Mark mark = Mark::kNone);
TableCell no_cell();  // "-": not known; sorts below every number

// By this column: names from a to z, numbers from the largest down; `reversed`: the other way.
void sort_rows(Table& table, size_t column, bool reversed);

// Keeps rows that have the text in a cell, in capitals or not, and what belongs to those.
void filter_rows(Table& table, std::string_view text);

// How many characters each column gets of `width`, with one between them: what they need, or less
// from the first that has much; those that find no room, from the right, get 0.
std::vector<int> fit(const Table& table, int width);

// Exactly `width` characters: cut with a '~' at the end, or filled up.
std::string padded(std::string_view text, int width, bool on_the_right);

// A line of titles and one for each row; without trailing spaces. `width` 0: as wide as need be.
std::string to_text(const Table& table, int width = 0);

// An array of objects.
nlohmann::json to_json(const Table& table);

}  // namespace inferd::ctl
