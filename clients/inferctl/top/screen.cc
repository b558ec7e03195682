// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/top/screen.h"

#include <curses.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <cstdlib>

#include "clients/inferctl/text.h"

namespace inferd::ctl {
namespace {

constexpr short kGoodPair = 1, kBadPair = 2, kBarPair = 3;
constexpr int kTableTop = 2;   // lines above: what it is about, and the views
constexpr int kEscapeMs = 25;  // the bytes of a key come within

const char* const kHelp[] = {
    "arrows, j, k, page up and down: move",
    "left, right, 1 to 4:            models, pipelines, clients, host",
    "enter:                          all about the one that is selected",
    "esc:                            back; no filter",
    "/:                              only rows with a text",
    "s, r:                           sort by the next column; the other way",
    "+, -:                           look more often, less often",
    "q:                              quit",
};

void put_line(int y, const std::string& text, attr_t attributes = A_NORMAL, short pair = 0) {
  if (y < 0 || y >= LINES) return;
  attr_set(attributes, pair, nullptr);
  mvaddstr(y, 0, padded(text, COLS, false).c_str());
  attr_set(A_NORMAL, 0, nullptr);
}

std::string help_line(const Browser& browser) {
  if (browser.is_typing_filter())
    return "filter: " + browser.filter() + "_   enter: keep  esc: none";
  const std::string back = browser.opened() ? "esc back  " : "enter details  ";
  return "q quit  " + back + "/ filter  s sort  r reverse  1-4 view  +- interval  ? help";
}

}  // namespace

Screen::Screen() {
  std::setlocale(LC_CTYPE, "");
  initscr();
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  set_escdelay(kEscapeMs);
  curs_set(0);
  const char* const no_colour = std::getenv("NO_COLOR");
  has_colours_ = (no_colour == nullptr || *no_colour == '\0') && has_colors();
  if (!has_colours_) return;
  start_color();
  use_default_colors();
  init_pair(kGoodPair, COLOR_GREEN, -1);
  init_pair(kBadPair, COLOR_RED, -1);
  init_pair(kBarPair, COLOR_CYAN, -1);
}

Screen::~Screen() { endwin(); }

int Screen::rows_of_page() const { return std::max(1, LINES - kTableTop - 2); }

void Screen::draw_tabs(const Browser& browser, const Table& table) {
  std::string line;
  for (size_t i = 0; i < views().size(); ++i) {
    const std::string name = std::to_string(i + 1) + " " + views()[i].name;
    line += i == browser.view() ? "[" + name + "] " : " " + name + "  ";
  }
  if (browser.opened()) line += "> " + printable(*browser.opened()) + "  ";
  line += browser.sorted_by(table);
  if (!browser.filter().empty()) line += ", with '" + printable(browser.filter()) + "'";
  put_line(1, line, A_BOLD, has_colours_ ? kBarPair : short{0});
}

void Screen::draw_table(const Table& table, const Browser& browser) {
  const std::vector<int> widths = fit(table, COLS);
  std::string titles;
  for (size_t c = 0; c < widths.size(); ++c) {
    if (widths[c] == 0) continue;
    titles +=
        (c > 0 ? " " : "") + padded(table.columns[c].title, widths[c], table.columns[c].is_number);
  }
  put_line(kTableTop, titles, A_UNDERLINE);
  const auto page = static_cast<size_t>(rows_of_page());
  const size_t selected = browser.selected();
  if (selected < first_row_) first_row_ = selected;
  if (selected >= first_row_ + page) first_row_ = selected - page + 1;
  if (first_row_ + page > table.rows.size())
    first_row_ = table.rows.size() > page ? table.rows.size() - page : 0;
  for (size_t i = 0; i < page; ++i) {
    const int y = kTableTop + 1 + static_cast<int>(i);
    const size_t r = first_row_ + i;
    if (r >= table.rows.size()) {
      put_line(y, r == 0 ? "nothing" : "");
      continue;
    }
    const attr_t attributes = r == selected ? A_REVERSE : A_NORMAL;
    put_line(y, "", attributes);
    int x = 0;
    for (size_t c = 0; c < widths.size(); ++c) {
      if (widths[c] == 0) continue;
      const TableCell& cell = table.rows[r].cells[c];
      short pair = 0;
      if (has_colours_ && cell.mark == Mark::kGood) pair = kGoodPair;
      if (has_colours_ && cell.mark == Mark::kBad) pair = kBadPair;
      attr_set(attributes, pair, nullptr);
      mvaddstr(y, x, padded(cell.text, widths[c], table.columns[c].is_number).c_str());
      attr_set(A_NORMAL, 0, nullptr);
      x += widths[c] + 1;
    }
  }
}

void Screen::draw_help() {
  for (int y = kTableTop; y < LINES; ++y) put_line(y, "");
  for (size_t i = 0; i < std::size(kHelp); ++i)
    put_line(kTableTop + 1 + static_cast<int>(i), std::string("  ") + kHelp[i]);
}

void Screen::draw(const SamplePair& samples, const Status& status, Browser& browser,
                  double interval) {
  const Table table = browser.table(samples);
  char every[32];
  std::snprintf(every, sizeof every, ", every %g s", interval);
  if (status.ok()) {
    put_line(0, headline(samples) + every, A_BOLD);
  } else {
    put_line(0, "no daemon answers: " + printable(status.message()), A_BOLD,
             has_colours_ ? kBadPair : short{0});
  }
  draw_tabs(browser, table);
  if (browser.shows_help()) {
    draw_help();
  } else {
    draw_table(table, browser);
    put_line(LINES - 1, printable(help_line(browser)), A_DIM);
  }
  refresh();
}

bool Screen::wait_for_keys(int descriptor, Browser& browser) {
  std::array<pollfd, 2> waits = {{{STDIN_FILENO, POLLIN, 0}, {descriptor, POLLIN, 0}}};
  // Interrupted when the size changes.
  if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return false;
  if ((waits[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return false;
  for (int key = getch(); key != ERR; key = getch()) {
    const int page = rows_of_page();
    switch (key) {
      case KEY_UP:
        browser.press(Key::kUp, page);
        break;
      case KEY_DOWN:
        browser.press(Key::kDown, page);
        break;
      case KEY_LEFT:
      case KEY_BTAB:
        browser.press(Key::kLeft, page);
        break;
      case KEY_RIGHT:
      case '\t':
        browser.press(Key::kRight, page);
        break;
      case KEY_PPAGE:
        browser.press(Key::kPageUp, page);
        break;
      case KEY_NPAGE:
        browser.press(Key::kPageDown, page);
        break;
      case KEY_HOME:
        browser.press(Key::kHome, page);
        break;
      case KEY_END:
        browser.press(Key::kEnd, page);
        break;
      case KEY_ENTER:
      case '\r':
      case '\n':
        browser.press(Key::kEnter, page);
        break;
      case KEY_BACKSPACE:
      case '\b':
      case 0x7F:
        browser.press(Key::kErase, page);
        break;
      case 0x1B:
        browser.press(Key::kEscape, page);
        break;
      case KEY_RESIZE:
        clear();
        break;
      default:
        if (key >= ' ' && key <= '~') browser.type(static_cast<char>(key));
    }
  }
  return true;
}

}  // namespace inferd::ctl
