//! RECORDED TRAFFIC. A line for each request, written by the proxy; read again, it is routed through any rule set as if
//! it came anew, so that nobody has to guess what a change of rules would have done and cost.

pub mod compare;
pub mod fields;
pub mod line;
pub mod log;
pub mod replay;
pub mod report;
pub mod sealed;
pub mod simulate;
