//! Operations of subgroups stand only where control flow is uniform: where some lanes of a subgroup may be elsewhere, drivers
//! differ in what a shuffle or a sum gives. naga does not tell, so this follows each kernel itself.
//!
//! A value is *divergent* if lanes of a subgroup may have different ones. Divergent are a lane's own built-ins, what is computed
//! or loaded by them, what shuffles by divergent places give, and variables that are set where control flow is divergent.
//! Workgroup memory and read-only buffers give all lanes the same at the same place.

use std::collections::{BTreeSet, HashMap};

use logitscope::gpu::{Kernel, Variant, kernel_source, variants};
use naga::{
    AddressSpace, Arena, Binding, Block, BuiltIn, CollectiveOperation, Expression, Function, GatherMode,
    Handle, LocalVariable, Module, Statement, StorageAccess, SubgroupOperation,
};

/// How a function is called: which arguments are divergent, and whether control flow is.
type Context = (Option<Handle<Function>>, Vec<bool>, bool);

/// A kernel that is followed.
struct Kernels<'a> {
    module: &'a Module,
    /// Whether what a function gives back is divergent, by how it is called.
    known: HashMap<Context, bool>,
    /// What stands in divergent control flow, and in which function.
    found: BTreeSet<String>,
}

/// A function that is followed.
struct Walk<'a> {
    function: &'a Function,
    arguments: Vec<bool>,
    variables: HashMap<Handle<LocalVariable>, bool>,
    /// Results of calls and of operations of subgroups.
    results: HashMap<Handle<Expression>, bool>,
    gives: bool,
    /// Lanes may have left the function.
    has_left: bool,
}

/// What a block does to those that follow it: lanes may have left the loop, or its turn.
#[derive(Clone, Copy, Default, PartialEq)]
struct Left {
    the_loop: bool,
    the_turn: bool,
}

/// What stands in divergent control flow in a kernel.
fn divergent_operations(source: &str) -> Vec<String> {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    let entry = &module.entry_points[0].function;
    let divergent: Vec<bool> =
        entry.arguments.iter().map(|argument| !is_shared(argument.binding.as_ref())).collect();
    let mut kernels = Kernels { module: &module, known: HashMap::new(), found: BTreeSet::new() };
    kernels.follow(None, entry, &divergent, false);
    kernels.found.into_iter().collect()
}

/// Whether all lanes of a subgroup get the same.
fn is_shared(binding: Option<&Binding>) -> bool {
    let Some(Binding::BuiltIn(built_in)) = binding else { return false };
    matches!(
        built_in,
        BuiltIn::WorkGroupId
            | BuiltIn::WorkGroupSize
            | BuiltIn::NumWorkGroups
            | BuiltIn::SubgroupId
            | BuiltIn::SubgroupSize
            | BuiltIn::NumSubgroups
    )
}

impl<'a> Kernels<'a> {
    /// Whether what the function gives back is divergent.
    fn follow(
        &mut self,
        handle: Option<Handle<Function>>,
        function: &'a Function,
        arguments: &[bool],
        flow: bool,
    ) -> bool {
        let context = (handle, arguments.to_vec(), flow);
        if let Some(&known) = self.known.get(&context) {
            return known;
        }
        let mut walk = Walk {
            function,
            arguments: arguments.to_vec(),
            variables: function.local_variables.iter().map(|(variable, _)| (variable, false)).collect(),
            results: HashMap::new(),
            gives: false,
            has_left: false,
        };
        // What is found before variables are settled counts as well: they only become divergent.
        loop {
            let before = (walk.variables.clone(), walk.results.clone(), walk.gives);
            walk.has_left = false;
            walk.block(self, &function.body, flow);
            if before == (walk.variables.clone(), walk.results.clone(), walk.gives) {
                break;
            }
        }
        self.known.insert(context, walk.gives);
        walk.gives
    }
}

impl<'a> Walk<'a> {
    fn block(&mut self, kernels: &mut Kernels<'a>, block: &'a Block, flow: bool) -> Left {
        let mut left = Left::default();
        for statement in block {
            let flow = flow || left != Left::default() || self.has_left;
            let then = self.statement(kernels, statement, flow);
            left.the_loop |= then.the_loop;
            left.the_turn |= then.the_turn;
        }
        left
    }

    fn statement(&mut self, kernels: &mut Kernels<'a>, statement: &'a Statement, flow: bool) -> Left {
        let module = kernels.module;
        let name = self.function.name.clone().unwrap_or_else(|| "main".to_owned());
        let mut operation = |what: String| {
            if flow {
                kernels.found.insert(format!("{what} in {name}"));
            }
        };
        match statement {
            Statement::Block(block) => return self.block(kernels, block, flow),
            Statement::If { condition, accept, reject } => {
                let flow = flow || self.is_divergent(module, *condition);
                let [accepted, rejected] = [accept, reject].map(|block| self.block(kernels, block, flow));
                return Left {
                    the_loop: accepted.the_loop || rejected.the_loop,
                    the_turn: accepted.the_turn || rejected.the_turn,
                };
            }
            Statement::Switch { selector, cases } => {
                let flow = flow || self.is_divergent(module, *selector);
                let mut left = Left::default();
                for case in cases {
                    // A break ends the switch alone.
                    left.the_turn |= self.block(kernels, &case.body, flow).the_turn;
                }
                return left;
            }
            Statement::Loop { body, continuing, break_if } => {
                self.turns(kernels, body, continuing, *break_if, flow)
            }
            Statement::Break => return Left { the_loop: flow, ..Left::default() },
            Statement::Continue => return Left { the_turn: flow, ..Left::default() },
            Statement::Return { value } => {
                self.gives |= flow || value.is_some_and(|value| self.is_divergent(module, value));
                self.has_left |= flow;
            }
            Statement::Store { pointer, value } => {
                let divergent =
                    flow || self.is_divergent(module, *value) || self.has_divergent_place(module, *pointer);
                if let Some(variable) = self.variable(*pointer) {
                    *self.variables.entry(variable).or_default() |= divergent;
                }
            }
            Statement::Call { function, arguments, result } => {
                let divergent: Vec<bool> =
                    arguments.iter().map(|&argument| self.is_divergent(module, argument)).collect();
                let gives = kernels.follow(Some(*function), &module.functions[*function], &divergent, flow);
                if let Some(result) = result {
                    self.results.insert(*result, gives);
                }
            }
            Statement::SubgroupBallot { result, .. } => {
                operation("subgroupBallot".to_owned());
                self.results.insert(*result, false);
            }
            Statement::SubgroupCollectiveOperation { op, collective_op, result, .. } => {
                operation(format!("{op:?}"));
                let is_one = *collective_op == CollectiveOperation::Reduce
                    || matches!(op, SubgroupOperation::All | SubgroupOperation::Any);
                self.results.insert(*result, flow || !is_one);
            }
            Statement::SubgroupGather { mode, argument, result } => {
                let gathered = match *mode {
                    GatherMode::BroadcastFirst | GatherMode::Broadcast(_) => false,
                    GatherMode::Shuffle(place) => {
                        self.is_divergent(module, place) && self.is_divergent(module, *argument)
                    }
                    _ => self.is_divergent(module, *argument),
                };
                operation(format!("a shuffle of {:?}", self.function.named_expressions.get(argument)));
                self.results.insert(*result, flow || gathered);
            }
            Statement::CooperativeStore { .. } => operation("coopStore".to_owned()),
            Statement::Emit(range) => {
                for handle in range.clone() {
                    let units = matches!(
                        self.function.expressions[handle],
                        Expression::CooperativeLoad { .. } | Expression::CooperativeMultiplyAdd { .. }
                    );
                    if units {
                        operation("matrix units".to_owned());
                    }
                }
            }
            _ => {}
        }
        Left::default()
    }

    /// A loop is divergent from its first turn on if lanes may leave it one by one.
    fn turns(
        &mut self,
        kernels: &mut Kernels<'a>,
        body: &'a Block,
        continuing: &'a Block,
        break_if: Option<Handle<Expression>>,
        flow: bool,
    ) {
        let mut inside = flow;
        loop {
            let left = self.block(kernels, body, inside);
            self.block(kernels, continuing, inside || left.the_loop);
            let breaks = break_if.is_some_and(|condition| self.is_divergent(kernels.module, condition));
            let one_by_one = left.the_loop || breaks || self.has_left;
            if inside || !one_by_one {
                return;
            }
            inside = true;
        }
    }

    /// Whether lanes may have different values of an expression, or of what a pointer points to.
    fn is_divergent(&self, module: &Module, handle: Handle<Expression>) -> bool {
        let expressions: &Arena<Expression> = &self.function.expressions;
        let any = |parts: &[Handle<Expression>]| parts.iter().any(|&part| self.is_divergent(module, part));
        match &expressions[handle] {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::ZeroValue(_)
            | Expression::WorkGroupUniformLoadResult { .. } => false,
            Expression::FunctionArgument(index) => self.arguments[*index as usize],
            Expression::LocalVariable(variable) => self.variables[variable],
            Expression::GlobalVariable(variable) => match module.global_variables[*variable].space {
                AddressSpace::Storage { access } => access.contains(StorageAccess::STORE),
                AddressSpace::WorkGroup | AddressSpace::Uniform => false,
                _ => true,
            },
            Expression::CallResult(_)
            | Expression::SubgroupBallotResult
            | Expression::SubgroupOperationResult { .. } => {
                self.results.get(&handle).copied().unwrap_or_default()
            }
            Expression::Access { base, index } => any(&[*base, *index]),
            Expression::AccessIndex { base, index } => match &expressions[*base] {
                Expression::Compose { components, .. } => any(&[components[*index as usize]]),
                _ => any(&[*base]),
            },
            Expression::Splat { value: part, .. }
            | Expression::Swizzle { vector: part, .. }
            | Expression::Load { pointer: part }
            | Expression::Unary { expr: part, .. }
            | Expression::As { expr: part, .. }
            | Expression::Relational { argument: part, .. }
            | Expression::Derivative { expr: part, .. } => any(&[*part]),
            Expression::ArrayLength(_) => false,
            Expression::Compose { components, .. } => any(components),
            Expression::Binary { left, right, .. } => any(&[*left, *right]),
            Expression::Select { condition, accept, reject } => any(&[*condition, *accept, *reject]),
            Expression::Math { arg, arg1, arg2, arg3, .. } => {
                any(&[Some(*arg), *arg1, *arg2, *arg3].into_iter().flatten().collect::<Vec<_>>())
            }
            _ => true,
        }
    }

    /// Whether lanes may mean different elements of what a pointer leads into.
    fn has_divergent_place(&self, module: &Module, pointer: Handle<Expression>) -> bool {
        match self.function.expressions[pointer] {
            Expression::Access { base, index } => {
                self.is_divergent(module, index) || self.has_divergent_place(module, base)
            }
            Expression::AccessIndex { base, .. } => self.has_divergent_place(module, base),
            _ => false,
        }
    }

    /// The variable that a pointer leads into, unless it is a global one.
    fn variable(&self, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(variable) => Some(variable),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.variable(base),
            Expression::FunctionArgument(_) => {
                panic!("a function that sets what a pointer points to is not followed")
            }
            _ => None,
        }
    }
}

#[test]
fn operations_of_subgroups_stand_where_control_flow_is_uniform() {
    let mut wrong = Vec::new();
    for variant in variants() {
        let source = kernel_source(variant);
        if source.contains("subgroup") || source.contains("coop") {
            wrong
                .extend(divergent_operations(&source).into_iter().map(|what| format!("{variant:?}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "in divergent control flow:\n{}", wrong.join("\n"));
}

#[test]
fn what_stands_in_divergent_control_flow_is_found() {
    let shader = |body: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read> data: array<u32>;\n\
             @group(0) @binding(1) var<storage, read_write> output: array<u32>;\n\
             fn sum(value: u32) -> u32 {{ return subgroupAdd(value); }}\n\
             fn first(value: u32) -> u32 {{ if value > 3u {{ return 1u; }} return 2u; }}\n\
             @compute @workgroup_size(8) fn main(\n\
             @builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{\n\
             var mine = data[lane];\nvar result = 0u;\n{body}\noutput[lane] = result;\n}}"
        )
    };
    let uniform = [
        "result = sum(mine);",
        "if data[group.x] > 2u { result = sum(mine); }",
        "for (var i = group.x; i < group.x + data[0]; i++) { result += subgroupShuffle(mine, i); }",
        "if subgroupMax(mine) > 2u { result = sum(mine); }",
        "if subgroupShuffle(mine, group.x) > 2u { result = sum(mine); }",
        "if lane > 2u { result = 1u; } result += sum(mine);",
        "for (var i = 0u; i < lane; i++) { mine += i; } result = sum(mine);",
        "if first(group.x) > 1u { result = sum(mine); }",
        "if lane > 9u { mine = 1u; } else { mine = 2u; } result = sum(mine);",
    ];
    for body in uniform {
        assert_eq!(divergent_operations(&shader(body)), Vec::<String>::new(), "{body}");
    }
    let divergent = [
        "if lane > 2u { result = subgroupAdd(mine); }",
        "if mine > 2u { result = sum(mine); }",
        "if lane > 2u { return; } result = sum(mine);",
        "for (var i = 0u; i < lane; i++) { result += sum(mine); }",
        "for (var i = 0u; i < 4u; i++) { result += sum(mine); if i == mine { break; } }",
        "for (var i = 0u; i < 4u; i++) { if i == mine { continue; } result += sum(mine); }",
        "var turns = 2u; if lane > 2u { turns = 3u; } for (var i = 0u; i < turns; i++) { result += sum(mine); }",
        "if subgroupShuffle(mine, lane ^ 1u) > 2u { result = sum(mine); }",
        "if output[group.x] > 2u { result = sum(mine); }",
        "if first(lane) > 1u { result = sum(mine); }",
        "switch mine { case 1u: { result = sum(mine); } default: {} }",
        "loop { result += sum(mine); continuing { mine++; break if mine > 9u; } }",
    ];
    for body in divergent {
        assert_eq!(divergent_operations(&shader(body)).len(), 1, "{body}");
    }
}

/// A bug that there was: trees of rows came out wrong on GPUs, and right on software drivers.
#[test]
fn a_shuffle_where_only_some_lanes_have_keys_of_chains_is_found() {
    let source = kernel_source(Variant::from(Kernel::AttentionShuffleTiles));
    assert_eq!(divergent_operations(&source), Vec::<String>::new());
    let planted = source.replace("chain_position(row_number,", "chain_position(subgroupShuffle(row, r),");
    assert_ne!(planted, source, "the bug has a place");
    assert_eq!(divergent_operations(&planted).len(), 1);
}
