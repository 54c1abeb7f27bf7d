//! Which names statements and expressions speak of.

use minijinja::machinery::ast::*;

/// Collects the variables that statements name; as Jinja does, within macros inside and not within blocks.
pub(super) fn statements_name<'a>(statements: &[Stmt<'a>], to: &mut Vec<&'a str>) {
    for statement in statements {
        match statement {
            Stmt::EmitExpr(node) => names(&node.expr, to),
            Stmt::ForLoop(node) => {
                names(&node.iter, to);
                node.filter_expr.iter().for_each(|filter| names(filter, to));
                statements_name(&node.body, to);
                statements_name(&node.else_body, to);
            }
            Stmt::IfCond(node) => {
                names(&node.expr, to);
                statements_name(&node.true_body, to);
                statements_name(&node.false_body, to);
            }
            Stmt::WithBlock(node) => {
                node.assignments.iter().for_each(|(_, value)| names(value, to));
                statements_name(&node.body, to);
            }
            Stmt::Set(node) => {
                target_names(&node.target, to);
                names(&node.expr, to);
            }
            Stmt::SetBlock(node) => {
                target_names(&node.target, to);
                node.filter.iter().for_each(|filter| names(filter, to));
                statements_name(&node.body, to);
            }
            Stmt::AutoEscape(node) => statements_name(&node.body, to),
            Stmt::FilterBlock(node) => {
                names(&node.filter, to);
                statements_name(&node.body, to);
            }
            Stmt::Macro(node) => {
                statements_name(&node.body, to);
                all_name(&node.defaults, to);
            }
            Stmt::CallBlock(node) => {
                names(&node.call.expr, to);
                arguments_name(&node.call.args, to);
                statements_name(&node.macro_decl.body, to);
                all_name(&node.macro_decl.defaults, to);
            }
            _ => {}
        }
    }
}

/// Collects the namespaces that are assigned to.
fn target_names<'a>(target: &Expr<'a>, to: &mut Vec<&'a str>) {
    match target {
        Expr::List(list) => list.items.iter().for_each(|item| target_names(item, to)),
        Expr::GetAttr(attr) => names(&attr.expr, to),
        _ => {}
    }
}

pub(super) fn all_name<'a>(expressions: &[Expr<'a>], to: &mut Vec<&'a str>) {
    expressions.iter().for_each(|expression| names(expression, to));
}

fn arguments_name<'a>(arguments: &[CallArg<'a>], to: &mut Vec<&'a str>) {
    for argument in arguments {
        match argument {
            CallArg::Pos(value)
            | CallArg::Kwarg(_, value)
            | CallArg::PosSplat(value)
            | CallArg::KwargSplat(value) => names(value, to),
        }
    }
}

/// Collects the variables that an expression names, each once.
pub(super) fn names<'a>(expression: &Expr<'a>, to: &mut Vec<&'a str>) {
    match expression {
        Expr::Var(var) if to.contains(&var.id) => {}
        Expr::Var(var) => to.push(var.id),
        Expr::Const(_) => {}
        Expr::Slice(node) => {
            names(&node.expr, to);
            [&node.start, &node.stop, &node.step].into_iter().flatten().for_each(|bound| names(bound, to));
        }
        Expr::UnaryOp(node) => names(&node.expr, to),
        Expr::BinOp(node) => {
            names(&node.left, to);
            names(&node.right, to);
        }
        Expr::Compare(node) => {
            names(&node.expr, to);
            node.ops.iter().for_each(|link| names(&link.expr, to));
        }
        Expr::IfExpr(node) => {
            names(&node.test_expr, to);
            names(&node.true_expr, to);
            node.false_expr.iter().for_each(|other| names(other, to));
        }
        Expr::Filter(node) => {
            node.expr.iter().for_each(|expr| names(expr, to));
            arguments_name(&node.args, to);
        }
        Expr::Test(node) => {
            names(&node.expr, to);
            arguments_name(&node.args, to);
        }
        Expr::GetAttr(node) => names(&node.expr, to),
        Expr::GetItem(node) => {
            names(&node.expr, to);
            names(&node.subscript_expr, to);
        }
        Expr::Call(node) => {
            names(&node.expr, to);
            arguments_name(&node.args, to);
        }
        Expr::List(node) => all_name(&node.items, to),
        Expr::Tuple(node) => all_name(&node.items, to),
        Expr::Map(node) => {
            all_name(&node.keys, to);
            all_name(&node.values, to);
        }
    }
}
