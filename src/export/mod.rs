//! What leaves the program beside trace files: the run as one page that any browser opens, and tables as CSV.
//!
//! | file | owns |
//! | --- | --- |
//! | `page` | the page: its template (`assets/page/`) with the run's data in it |
//! | `page_data` | the data that the page's script reads |
//! | `glossary` | what its numbers are |
//! | `lines` | which lines of the run's tree a page offers |
//! | `table` | a table as plain data |
//! | `csv` | a table as CSV |
//! | `tables`, `step_tables`, `strategy_tables` | the tables of a run, of its steps, of a strategy |

pub mod csv;
mod glossary;
mod lines;
pub mod page;
mod page_data;
mod step_tables;
pub mod strategy_tables;
pub mod table;
pub mod tables;
