// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/report/html.h"

#include <cmath>
#include <cstdio>

#include "clients/inferctl/text.h"

namespace inferd::ctl::report {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1c2128; --paper: #ffffff; --faint: #d5dae1; --soft: #5b6570;
  --one: #1f6fb2; --two: #c4541a; --three: #2d8a4e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7ec; --paper: #14181d; --faint: #363d46;
  --soft: #9aa4af; --one: #6db3ee; --two: #f0945d; --three: #6cc98c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p, figcaption { color: var(--soft); } figure { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--faint);
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; } .n { text-align: right; white-space: nowrap; }
.facts th { width: 14rem; color: var(--soft); font-weight: 400; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.axis { stroke: var(--soft); fill: none; } .grid { stroke: var(--faint); fill: none; }
.bar, .dot-int8 { fill: var(--one); } .dot-float32 { fill: var(--two); }
.dot-int8, .dot-float32 { fill-opacity: .65; }
.roof-int8 { stroke: var(--one); } .roof-float32 { stroke: var(--two); }
.roof-int8, .roof-float32, .memory { fill: none; stroke-width: 1.5; } .memory { stroke: var(--three); }
.mark { stroke: var(--two); stroke-dasharray: 3 3; }
)";

}  // namespace

std::string escaped(std::string_view text) {
  std::string html;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string number(const nlohmann::json& number, int decimals) {
  if (!number.is_number() || !std::isfinite(number.get<double>())) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", number.is_number_integer() ? 0 : decimals,
                number.get<double>());
  return "<data value=\"" + number.dump() + "\">" + text + "</data>";
}

std::string facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::string html = "<table class=\"facts\">\n";
  for (const auto& [what, value] : facts)
    html += "<tr><th>" + escaped(what) + "</th><td>" + value + "</td></tr>\n";
  return html + "</table>\n";
}

std::string section(std::string_view heading, const std::string& html) {
  return "<section>\n<h2>" + escaped(heading) + "</h2>\n" + html + "</section>\n";
}

std::string page(std::string_view title, const std::string& html, const nlohmann::json& data) {
  std::string json;
  // Nothing in it may end the script, and nothing in it is a reference.
  for (const char c : data.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)) {
    if (c == '<' || c == '>' || c == '&') {
      char text[8];
      std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(c));
      json += text;
    } else {
      json += c;
    }
  }
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
         escaped(title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<h1>" +
         escaped(title) + "</h1>\n" + html + "<script type=\"application/json\" id=\"data\">" +
         json + "</script>\n</body>\n</html>\n";
}

}  // namespace inferd::ctl::report
