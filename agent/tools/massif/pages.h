// Purpose: massif's --pages-as-heap: each page that the program maps is a block.
#pragma once

namespace vsup::agent::massif {

// The events of the heap layer are set. Memory from before is not known.
void watch_pages();

}  // namespace vsup::agent::massif
