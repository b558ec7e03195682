// SPDX-License-Identifier: Apache-2.0
//
// The terminal, by way of ncurses, which sends only what has changed.
#pragma once

#include <string>

#include "clients/inferctl/top/browser.h"
#include "inferd/engine/status.h"

namespace inferd::ctl {

// At most one at a time; belongs to one thread. Colours are used where the terminal has them and
// NO_COLOR is not set.
class Screen {
 public:
  Screen();   // where check_terminal() (terminfo.h) is OK
  ~Screen();  // the terminal is as it was
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // `status`: of the last try to reach the daemon.
  void draw(const SamplePair& samples, const Status& status, Browser& browser, double interval);

  // Hands keys that have come to the browser. Waits until a key comes, the terminal has another
  // size, or `descriptor` is readable. False: the terminal is gone.
  bool wait_for_keys(int descriptor, Browser& browser);

 private:
  void draw_tabs(const Browser& browser, const Table& table);
  void draw_table(const Table& table, const Browser& browser);
  void draw_help();
  int rows_of_page() const;

  size_t first_row_ = 0;  // of the table, on the screen
  bool has_colours_ = false;
};

}  // namespace inferd::ctl
