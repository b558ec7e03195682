// SPDX-License-Identifier: Apache-2.0
//
// What is looked at, and how keys change that. Knows no terminal.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clients/inferctl/top/views.h"

namespace inferd::ctl {

// Of keys that are no characters.
enum class Key {
  kUp,
  kDown,
  kLeft,
  kRight,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kEnter,
  kEscape,
  kErase
};

class Browser {
 public:
  // What the options of the command say. INVALID_ARGUMENT names what there is.
  Status open(const std::string& view);
  Status sort_by(const std::string& column_key);  // of the view that is open
  void filter(const std::string& text) { filter_ = text; }

  void press(Key key, int rows_of_page);
  void type(char character);  // a key that is a character, from ' ' to '~'
  bool wants_to_quit() const { return quit_; }

  // The table that is open, sorted and filtered; keeps the selected row selected.
  Table table(const SamplePair& samples);

  // For whoever draws it.
  size_t view() const { return view_; }
  size_t selected() const { return selected_; }                  // a row of table(), or 0
  std::optional<std::string> opened() const { return opened_; }  // the one whose details are shown
  bool shows_help() const { return help_; }
  bool is_typing_filter() const { return typing_; }
  const std::string& filter() const { return filter_; }
  std::string sorted_by(const Table& table) const;  // "by REQ/S, the other way"

  // + and -: how many steps up, less those down, that nobody has taken yet.
  int take_interval_steps() { return std::exchange(interval_steps_, 0); }

 private:
  struct Order {
    size_t column = 0;
    bool reversed = false;
  };
  static constexpr size_t kDetails = 4;  // of orders_, behind those of the views

  Order& order() { return orders_[opened_ ? kDetails : view_]; }
  const Order& order() const { return orders_[opened_ ? kDetails : view_]; }
  void go_to(size_t view);
  void move(int rows);

  size_t view_ = 0;
  std::array<Order, kDetails + 1> orders_;
  size_t columns_ = 1;             // of the table last made
  std::vector<std::string> keys_;  // of its rows
  size_t selected_ = 0;
  std::string selected_key_, parent_key_;
  std::optional<std::string> opened_;
  std::string filter_, parent_filter_;
  bool typing_ = false, help_ = false, quit_ = false;
  int interval_steps_ = 0;
};

}  // namespace inferd::ctl
