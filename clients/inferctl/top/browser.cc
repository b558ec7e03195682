// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/top/browser.h"

#include <algorithm>

namespace inferd::ctl {

Status Browser::open(const std::string& view) {
  std::string names;
  for (size_t i = 0; i < views().size(); ++i) {
    if (view == views()[i].name) {
      const std::string filter = filter_;  // goes with views that keys open, not here
      go_to(i);
      filter_ = filter;
      return ok_status();
    }
    names += (names.empty() ? "" : ", ") + std::string(views()[i].name);
  }
  return invalid_argument("there is no view '" + view + "'; there are: " + names);
}

Status Browser::sort_by(const std::string& column_key) {
  std::string keys;
  const Table table = views()[view_].table(SamplePair());
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].key == column_key) {
      order() = {i, false};
      return ok_status();
    }
    keys += (keys.empty() ? "" : ", ") + table.columns[i].key;
  }
  return invalid_argument("the view '" + std::string(views()[view_].name) + "' has no column '" +
                          column_key + "'; it has: " + keys);
}

void Browser::go_to(size_t view) {
  view_ = view;
  opened_.reset();
  selected_ = 0;
  selected_key_.clear();
  filter_.clear();
}

void Browser::move(int rows) {
  if (keys_.empty()) return;
  const int64_t to = static_cast<int64_t>(selected_) + rows;
  selected_ = static_cast<size_t>(std::clamp<int64_t>(to, 0, std::ssize(keys_) - 1));
  selected_key_ = keys_[selected_];
}

void Browser::press(Key key, int rows_of_page) {
  constexpr int kAll = 1 << 20;
  if (help_) {
    help_ = false;
    return;
  }
  if (typing_ && (key == Key::kEnter || key == Key::kEscape || key == Key::kErase)) {
    if (key == Key::kErase && !filter_.empty()) filter_.pop_back();
    if (key == Key::kEscape) filter_.clear();
    if (key != Key::kErase) typing_ = false;
    return;
  }
  switch (key) {
    case Key::kUp:
      return move(-1);
    case Key::kDown:
      return move(1);
    case Key::kPageUp:
      return move(-rows_of_page);
    case Key::kPageDown:
      return move(rows_of_page);
    case Key::kHome:
      return move(-kAll);
    case Key::kEnd:
      return move(kAll);
    case Key::kLeft:
      return go_to((view_ + views().size() - 1) % views().size());
    case Key::kRight:
      return go_to((view_ + 1) % views().size());
    case Key::kEnter:
      if (opened_ || keys_.empty()) return;
      opened_ = parent_key_ = selected_key_;
      parent_filter_ = std::exchange(filter_, "");
      orders_[kDetails] = {};
      selected_ = 0;
      selected_key_.clear();
      return;
    case Key::kEscape:
      if (opened_ && filter_.empty()) {
        opened_.reset();
        selected_key_ = parent_key_;
        filter_ = parent_filter_;
      } else {
        filter_.clear();
      }
      return;
    case Key::kErase:
      return;
  }
}

void Browser::type(char character) {
  if (help_) {
    help_ = false;
    return;
  }
  if (typing_) {
    constexpr size_t kMaxFilter = 100;
    if (filter_.size() < kMaxFilter) filter_ += character;
    return;
  }
  if (character >= '1' && character < '1' + static_cast<char>(views().size()))
    return go_to(static_cast<size_t>(character - '1'));
  switch (character) {
    case 'q':
      quit_ = true;
      return;
    case '?':
    case 'h':
      help_ = true;
      return;
    case '/':
      typing_ = true;
      return;
    case 's':
      order() = {(order().column + 1) % columns_, false};
      return;
    case 'r':
      order().reversed = !order().reversed;
      return;
    case '+':
      ++interval_steps_;
      return;
    case '-':
      --interval_steps_;
      return;
    case 'k':
      return move(-1);
    case 'j':
      return move(1);
    default:
      return;
  }
}

Table Browser::table(const SamplePair& samples) {
  const View& view = views()[view_];
  Table table = opened_ ? view.one(samples, *opened_) : view.table(samples);
  columns_ = table.columns.size();
  // Details and the host have an order of their own, until another is asked for.
  const bool has_order = opened_ || table.columns.back().key == "value";
  if (!has_order || order().column > 0 || order().reversed)
    sort_rows(table, std::min(order().column, columns_ - 1), order().reversed);
  if (!filter_.empty()) filter_rows(table, filter_);
  keys_.clear();
  for (const Row& row : table.rows) keys_.push_back(row.key);
  // Where it is now; of several with its key the one that it is.
  if (selected_ >= keys_.size() || keys_[selected_] != selected_key_) {
    const auto at = std::find(keys_.begin(), keys_.end(), selected_key_);
    if (at != keys_.end()) selected_ = static_cast<size_t>(at - keys_.begin());
  }
  selected_ = keys_.empty() ? 0 : std::min(selected_, keys_.size() - 1);
  if (!keys_.empty()) selected_key_ = keys_[selected_];
  return table;
}

std::string Browser::sorted_by(const Table& table) const {
  const Column& column = table.columns[std::min(order().column, table.columns.size() - 1)];
  return "by " + (column.title.empty() ? column.key : column.title) +
         (order().reversed ? ", the other way" : "");
}

}  // namespace inferd::ctl
